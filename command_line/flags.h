#ifndef ADV_COMMAND_LINE_FLAGS_H_
#define ADV_COMMAND_LINE_FLAGS_H_

#include <map>
#include <string>

#include "CLI/App.hpp"

namespace adv {

// Where a flag's value comes from. A later one wins over those before it.
enum class FlagSource { kDefault, kFlagfile, kEnvironment, kCommandLine };

// The sources of the flags that were given; the others have their defaults.
using FlagSources = std::map<const CLI::Option*, FlagSource>;

FlagSource SourceOf(const FlagSources& sources, const CLI::Option* option);

// Adds --flagfile, in `group` of the help, and parses. A flag --some-name of
// `app` that the command line does not give comes from the variable
// PREFIX_SOME_NAME or, without one, from a line --some-name=VALUE of a
// flagfile; of several files the last that has the flag counts. Flagfiles take
// the flags of the chosen subcommands, too.
//
// A variable that is empty counts as not set. A repeatable flag takes each line
// of its variable as one value. A flag without a value takes true or false.
// Flags that exclude each other count as one: a source that gives one of them
// hides the others of sources that are weaker.
//
// Throws what app->parse throws; errors of values name the variable or
// FILE:LINE. Parses twice if there is such a value, so callbacks of options
// must bear it.
FlagSources ParseFlags(CLI::App* app, const std::string& prefix,
                       const std::string& group, int argc,
                       const char* const* argv);

}  // namespace adv

#endif  // ADV_COMMAND_LINE_FLAGS_H_
