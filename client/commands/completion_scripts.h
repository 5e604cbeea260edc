#ifndef ADV_CLIENT_COMMANDS_COMPLETION_SCRIPTS_H_
#define ADV_CLIENT_COMMANDS_COMPLETION_SCRIPTS_H_

namespace adv {

// @PATHS@ becomes 'models'|'models list'|..., @CASES@ the words after each,
// @ATTACKS@ the names of the attacks.
inline constexpr char kBashScript[] = R"SH(# bash completion for advctl
# The first column of what a command lists.
_advctl_names() {
  local word server=()
  for word in "${words[@]}"; do
    [[ $word == --server=* || $word == --context=* ]] && server+=("$word")
  done
  "${words[0]}" "$@" --output=csv --timeout=1 "${server[@]}" \
    2>/dev/null | tail -n +2 | cut -d, -f1 | sort -u
}

_advctl_contexts() {
  "${words[0]}" context list --output=csv 2>/dev/null | tail -n +2 | cut -d, -f1
}

_advctl_models() { _advctl_names models list; }

_advctl_values() {
  # Lists have commas: only what follows the last one is completed.
  local before=''
  [[ $cur == *,* ]] && before="${cur%,*},"
  mapfile -t COMPREPLY < <(compgen -P "$before" -W "$1" -- "${cur##*,}")
}

_advctl() {
  local cur prev words cword split word path='' words_after='' takes=''
  _init_completion -s -n : || return
  for word in "${words[@]:1:cword-1}"; do
    case "${path:+$path }$word" in
      @PATHS@) path="${path:+$path }$word" ;;
    esac
  done
  case "$path $prev" in
    *' --output') _advctl_values 'table json csv'; return ;;
    *' --attack') _advctl_values '@ATTACKS@'; return ;;
    *' --norm') _advctl_values 'linf l2'; return ;;
    *' --success') _advctl_values 'last any'; return ;;
    *' --measure') _advctl_values 'robust success perturbed'; return ;;
    *' --balance') _advctl_values 'round_robin'; return ;;
    *' --goal') _advctl_values 'untargeted least-likely next random'; return ;;
    *' --model' | *' --source-model' | 'evaluate --compare')
      _advctl_values "$(_advctl_models)"; return ;;
    *' --sources' | *' --targets')
      _advctl_values "all $(_advctl_models)"; return ;;
    *' --out' | *' --compare') _filedir png; return ;;
    *' --store' | *' --save') _filedir -d; return ;;
    *' --ca' | *' --certificate' | *' --key' | *' --token-file' | \
      *' --flagfile') _filedir; return ;;
    *' --context') _advctl_values "$(_advctl_contexts)"; return ;;
    'context use use' | 'context show show' | 'context remove remove')
      [[ $cur != -* ]] && { _advctl_values "$(_advctl_contexts)"; return; } ;;
    'models show models' | 'models show show')
      [[ $cur != -* ]] && { _advctl_values "$(_advctl_models)"; return; } ;;
    'attacks show show')
      [[ $cur != -* ]] && { _advctl_values '@ATTACKS@'; return; } ;;
    'completion completion') _advctl_values 'bash zsh fish'; return ;;
  esac
  [[ ${split-} == true ]] && return
  case "$path" in
@CASES@  esac
  mapfile -t COMPREPLY < <(compgen -W "$words_after" -- "$cur")
  [[ ${COMPREPLY-} == *= ]] && compopt -o nospace
  [[ $takes == images && $cur != -* ]] && _filedir '@(png|jpg|jpeg)'
  [[ $takes == any && $cur != -* ]] && _filedir
  [[ $takes == evaluations && $cur != -* ]] &&
    _advctl_values "$(_advctl_names evaluations list)"
  return 0
}

complete -F _advctl advctl
)SH";

inline constexpr char kZshScript[] = R"SH(#compdef advctl
_advctl_contexts() {
  advctl context list --output=csv 2>/dev/null | tail -n +2 | cut -d, -f1
}

_advctl_names() {
  advctl "$@" --output=csv --timeout=1 \
    ${(M)words:#--(server|context)=*} 2>/dev/null | tail -n +2 | cut -d, -f1 | sort -u
}

_advctl_models() { _advctl_names models list }

_advctl() {
  local word where='' words_after='' takes=''
  for word in ${words[2,CURRENT-1]}; do
    case "${where:+$where }$word" in
      @PATHS@) where="${where:+$where }$word" ;;
    esac
  done
  case "$where ${words[CURRENT]}" in
    *' --output='*) compset -P '*='; compadd table json csv; return ;;
    *' --attack='*) compset -P '*[=,]'; compadd @ATTACKS@; return ;;
    *' --norm='*) compset -P '*='; compadd linf l2; return ;;
    *' --success='*) compset -P '*='; compadd last any; return ;;
    *' --measure='*)
      compset -P '*='; compadd robust success perturbed; return ;;
    *' --balance='*) compset -P '*='; compadd round_robin; return ;;
    *' --goal='*)
      compset -P '*='; compadd untargeted least-likely next random; return ;;
    *' --model='* | *' --source-model='* | 'evaluate --compare='*)
      compset -P '*[=,]'; compadd -- ${(f)"$(_advctl_models)"}; return ;;
    *' --sources='* | *' --targets='*)
      compset -P '*[=,]'; compadd -- all ${(f)"$(_advctl_models)"}; return ;;
    *' --save='*) compset -P '*='; _files -/; return ;;
    *' --context='*)
      compset -P '*='; compadd -- ${(f)"$(_advctl_contexts)"}; return ;;
    *' --'*'='*) compset -P '*='; _files; return ;;
    'models show '[^-]* | 'models show ')
      compadd -- ${(f)"$(_advctl_models)"}; return ;;
    'context '(use|show|remove)' '[^-]* | 'context '(use|show|remove)' ')
      compadd -- ${(f)"$(_advctl_contexts)"}; return ;;
    'attacks show '[^-]* | 'attacks show ') compadd @ATTACKS@; return ;;
    'completion '*) compadd bash zsh fish; return ;;
  esac
  case "$where" in
@CASES@  esac
  compadd -S '' -- ${(M)${=words_after}:#*=}
  compadd -- ${${=words_after}:#*=}
  case $takes in
    evaluations)
      compadd -- ${(f)"$(_advctl_names evaluations list)"} ;;
    ?*) _files ;;
  esac
}

compdef _advctl advctl
)SH";

inline constexpr char kFishHead[] = R"SH(# fish completion for advctl
function __advctl_models
    advctl models list --output=csv --timeout=1 2>/dev/null | tail -n +2 | cut -d, -f1 | sort -u
end

function __advctl_evaluations
    advctl evaluations list --output=csv --timeout=1 2>/dev/null | tail -n +2 | cut -d, -f1
end

function __advctl_contexts
    advctl context list --output=csv 2>/dev/null | tail -n +2 | cut -d, -f1
end
)SH";

}  // namespace adv

#endif  // ADV_CLIENT_COMMANDS_COMPLETION_SCRIPTS_H_
