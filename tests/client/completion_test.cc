// The scripts for the shells, and what bash makes of its own.
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Process;
using ::testing::StartsWith;

class CompletionTest : public CliTest {
 protected:
  // What bash offers for "advctl --server=ADDRESS LINE", the cursor at its end.
  std::string Complete(const std::string& line) {
    const std::string whole =
        Advctl() + " --server=" + server_->address() + " " + line;
    Process process({"/bin/bash", "-c", kScript, "bash", Advctl(), whole});
    EXPECT_EQ(process.Wait(), 0) << process.err();
    return process.out();
  }

  // Splits the line as readline does: at spaces, and around = and : too.
  static constexpr char kScript[] = R"sh(
    source /usr/share/bash-completion/bash_completion
    eval "$("$1" completion bash)"
    COMP_LINE=$2
    COMP_POINT=${#COMP_LINE}
    split=${COMP_LINE//=/ = }
    read -r -a COMP_WORDS <<< "${split//:/ : }"
    [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    unset split
    _advctl
    echo "${COMPREPLY[@]}"
  )sh";
};

TEST_F(CompletionTest, ScriptsAreSound) {
  const Outcome bash = Run({"completion", "bash"});
  ASSERT_EQ(bash.code, 0);
  std::ofstream(Path("script")) << bash.out;
  Process check({"/bin/bash", "-n", Path("script")});
  EXPECT_EQ(check.Wait(), 0) << check.err();
  EXPECT_THAT(Run({"completion", "zsh"}).out, StartsWith("#compdef advctl"));
  EXPECT_THAT(Run({"completion", "fish"}).out,
              HasSubstr("complete -c advctl -f -n __fish_use_subcommand"));
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = Run({"completion", shell}).out;
    EXPECT_THAT(script, Not(HasSubstr("@CASES@")));
    EXPECT_THAT(script, Not(HasSubstr("@ATTACKS@")));
    EXPECT_THAT(script, HasSubstr("square auto-attack hop-skip-jump"));
    EXPECT_THAT(script, HasSubstr("robust success perturbed"));
    EXPECT_THAT(script, HasSubstr("advctl_contexts"));
  }
}

TEST_F(CompletionTest, BashOffersWhatFits) {
  if (!fs::exists("/usr/share/bash-completion/bash_completion")) {
    GTEST_SKIP() << "bash-completion is not installed";
  }
  EXPECT_EQ(Complete("ev"), "evaluate evaluations\n");
  EXPECT_THAT(Complete("models "), StartsWith("list show table import reload"));
  EXPECT_EQ(Complete("evaluate --sam"), "--samples=\n");
  EXPECT_EQ(Complete("evaluate --no-com"), "--no-compare\n");
  EXPECT_EQ(Complete("evaluate --model=n"), "no-cat\n");
  EXPECT_EQ(Complete("evaluate --model n"), "no-cat\n");
  EXPECT_EQ(Complete("evaluate --model=balanced,n"), "balanced,no-cat\n");
  EXPECT_EQ(Complete("evaluate --model=no-cat --output=c"), "csv\n");
  EXPECT_EQ(Complete("models show b"), "balanced\n");
  ASSERT_EQ(Run({"context", "add", "lab"}).code, 0);
  ASSERT_EQ(Run({"context", "add", "home"}).code, 0);
  EXPECT_EQ(Complete("context use "), "home lab\n");
  EXPECT_EQ(Complete("context remove l"), "lab\n");
  EXPECT_EQ(Complete("--context=h"), "home\n");
  EXPECT_EQ(Complete("--context=lab evaluate --model=n"), "no-cat\n");
  std::ofstream{Path("ca.pem")};
  EXPECT_EQ(Complete("--ca=" + Path("ca")), Path("ca.pem") + "\n");
  for (const char* name : {"a.png", "a.onnx"}) std::ofstream{Path(name)};
  EXPECT_EQ(Complete("classify " + Path("a")), Path("a.png") + "\n");
  EXPECT_EQ(Complete("models import " + Path("a.o")), Path("a.onnx") + "\n");
  EXPECT_EQ(Complete("completion f"), "fish\n");
  EXPECT_EQ(Complete("evaluations attach a"), "a01111111111\n");
  EXPECT_EQ(Complete("evaluations diff a01111 a"), "a01111111111\n");
  EXPECT_EQ(Complete("evaluations resume --det"), "--detach\n");
  EXPECT_EQ(Complete("evaluate --attack=carl"), "carlini-wagner\n");
  EXPECT_EQ(Complete("evaluate --attack=pgd,ap"), "pgd,apgd\n");
  EXPECT_EQ(Complete("evaluate --norm=l2"), "l2\n");
  EXPECT_EQ(Complete("attacks show hop"), "hop-skip-jump\n");
  EXPECT_EQ(Complete("tr"), "transfer\n");
  EXPECT_EQ(Complete("transfer --sources=a"), "all\n");
  EXPECT_EQ(Complete("transfer --targets=no-cat,ba"), "no-cat,balanced\n");
  EXPECT_EQ(Complete("transfer --measure=s"), "success\n");
}

}  // namespace
}  // namespace adv
