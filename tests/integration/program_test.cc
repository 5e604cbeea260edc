// The program advserver itself: its start, its signals and its end.
#include <absl/strings/match.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "adv/v1/attack_evaluation_service.grpc.pb.h"
#include "tests/folders.h"
#include "tests/integration/random_models.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A child process, killed at the latest with this.
class Program {
 public:
  Program(const std::vector<std::string>& flags, const std::string& log) {
    int input[2], output[2];
    EXPECT_EQ(pipe(input), 0);
    EXPECT_EQ(pipe(output), 0);
    std::vector<std::string> words = {BuildDir() + "/server/advserver"};
    words.insert(words.end(), flags.begin(), flags.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      unsetenv("OMP_WAIT_POLICY");
      setsid();  // as a service: without a terminal
      dup2(input[0], STDIN_FILENO);
      dup2(output[1], STDOUT_FILENO);
      close(input[1]);
      if (freopen(log.c_str(), "w", stderr) == nullptr) _exit(126);
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = output[0];
  }
  ~Program() {
    CloseInput();
    close(output_);
    if (!waited_) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Without its end of line; empty at the end of the output.
  std::string ReadLine() {
    std::string line;
    char byte = 0;
    while (read(output_, &byte, 1) == 1 && byte != '\n') line.push_back(byte);
    return line;
  }
  void CloseInput() {
    if (input_ >= 0) close(input_);
    input_ = -1;
  }
  void Signal(int number) { kill(pid_, number); }
  pid_t pid() const { return pid_; }
  // The exit code, negative for a signal.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    waited_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
  bool waited_ = false;
};

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() {
    EXPECT_TRUE(PublishRandomModel(folder_ / "store", "no-cat", 1).ok());
  }
  std::vector<std::string> Flags(std::vector<std::string> more = {}) const {
    std::vector<std::string> flags = {
        "--listen=127.0.0.1:0", "--metrics-listen=off",
        "--state=" + (folder_ / "state"), "--store=" + (folder_ / "store")};
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
  }
  std::string log() const { return folder_ / "log"; }

  TemporaryFolder folder_;
};

// Begins an evaluation that would take hours; true once it runs.
bool BeginEndless(
    const std::string& address, grpc::ClientContext* context,
    std::unique_ptr<grpc::ClientReader<v1::EvaluateRobustnessResponse>>*
        stream) {
  const auto stub = v1::AttackEvaluationService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  v1::EvaluateRobustnessRequest request;
  request.mutable_spec()->set_model("no-cat");
  request.mutable_spec()->add_attacks()->mutable_igsm()->set_steps(1000);
  *stream = stub->EvaluateRobustness(context, request);
  v1::EvaluateRobustnessResponse message;
  return (*stream)->Read(&message);
}

TEST_F(ProgramTest, TellsItsAddressServesAndEndsWithZero) {
  Program program(
      Flags({"--address-file=" + (folder_ / "address"), "--drain-seconds=0"}),
      log());
  const std::string line = program.ReadLine();
  ASSERT_THAT(line, StartsWith("listening on 127.0.0.1:"));
  const std::string address = line.substr(line.rfind(' ') + 1);
  EXPECT_EQ(ReadAll(folder_ / "address"), address + "\n");
  // It restarted itself once, before OpenMP could read the variable.
  EXPECT_THAT(ReadAll("/proc/" + std::to_string(program.pid()) + "/environ"),
              HasSubstr("OMP_WAIT_POLICY=passive"));
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::EvaluateRobustnessResponse>> stream;
  ASSERT_TRUE(BeginEndless(address, &context, &stream));
  program.Signal(SIGTERM);
  v1::EvaluateRobustnessResponse message;
  while (stream->Read(&message)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(program.Wait(), 0);
  const std::string text = ReadAll(log());
  EXPECT_THAT(text, HasSubstr("event=model_loaded model=no-cat version=1"));
  EXPECT_THAT(text, HasSubstr("event=draining"));
  EXPECT_THAT(text, HasSubstr("event=exit"));
}

TEST_F(ProgramTest, ASecondSignalEndsItAtOnce) {
  Program program(Flags({"--drain-wait-seconds=600"}), log());
  ASSERT_THAT(program.ReadLine(), StartsWith("listening on "));
  program.Signal(SIGTERM);
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait(), 1);
  EXPECT_THAT(ReadAll(log()), HasSubstr("reason=\"second signal\""));
}

// OpenBLAS is such a library, on any machine with numpy.
TEST_F(ProgramTest, ServesAndEndsWithALibraryThatCrowdsThreads) {
  setenv("LD_PRELOAD",
         (BuildDir() + "/tests/integration/libcrowded_library.so").c_str(), 1);
  Program program({"--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
                   "--state=:memory:", "--store=" + (folder_ / "store"),
                   "--drain-wait-seconds=600"},
                  log());
  unsetenv("LD_PRELOAD");
  ASSERT_THAT(program.ReadLine(), StartsWith("listening on "))
      << ReadAll(log());
  program.Signal(SIGTERM);
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait(), 1);
  EXPECT_THAT(ReadAll(log()), HasSubstr("reason=\"second signal\""));
}

TEST_F(ProgramTest, AHangUpReloadsWhereThereIsNoTerminal) {
  Program program(Flags({"--poll-seconds=0"}), log());
  ASSERT_THAT(program.ReadLine(), StartsWith("listening on "));
  ASSERT_TRUE(PublishRandomModel(folder_ / "store", "balanced", 1).ok());
  program.Signal(SIGHUP);
  // Of two signals on their way at once, either may come first.
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!absl::StrContains(ReadAll(log()), "model=balanced") &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), 0);
  EXPECT_THAT(ReadAll(log()), AllOf(HasSubstr("model_loaded model=balanced"),
                                    HasSubstr("event=exit")));
}

TEST_F(ProgramTest, EndsWithStandardInputIfAsked) {
  Program program(Flags({"--exit-when-stdin-closes"}), log());
  ASSERT_THAT(program.ReadLine(), StartsWith("listening on "));
  program.CloseInput();
  EXPECT_EQ(program.Wait(), 0);
}

TEST_F(ProgramTest, RefusesToServeOthersInTheClear) {
  Program open({"--listen=0.0.0.0:0", "--metrics-listen=off",
                "--state=:memory:", "--store=" + (folder_ / "store")},
               log());
  EXPECT_EQ(open.Wait(), 1);
  EXPECT_THAT(ReadAll(log()), HasSubstr("there is no TLS"));
}

TEST_F(ProgramTest, ASecondServerOnTheSameStateSaysSo) {
  Program first(Flags(), log());
  ASSERT_THAT(first.ReadLine(), StartsWith("listening on "));
  Program second(Flags(), folder_ / "log2");
  EXPECT_EQ(second.ReadLine(), "");
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_THAT(ReadAll(folder_ / "log2"), HasSubstr("--state"));
}

}  // namespace
}  // namespace adv
