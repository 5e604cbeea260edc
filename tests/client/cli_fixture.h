#ifndef ADV_TESTS_CLIENT_CLI_FIXTURE_H_
#define ADV_TESTS_CLIENT_CLI_FIXTURE_H_

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "client/images/image_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/folder_fixture.h"
#include "tests/client/process.h"
#include "tests/folders.h"

namespace adv {

// The real program, and a server that gives canned answers.
inline std::string Advctl() { return BuildDir() + "/client/advctl"; }
inline std::string FakeAdvserver() {
  return BuildDir() + "/tests/client/fake_advserver";
}

struct Outcome {
  int code;
  std::string out, err;
};

// A fake server, a folder, and ways to run the real advctl.
class CliTest : public FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    // Whatever runs the tests.
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("ADVCTL_CONFIG", Path("contexts.json").c_str(), 1);
    StartServer({});
  }

  void StartServer(const testing::FakeOptions& options,
                   const std::string& address = "127.0.0.1:0") {
    server_ = std::make_unique<testing::FakeServer>(options, address);
  }

  std::vector<std::string> Command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {Advctl(), "--server=" + server_->address()});
    return arguments;
  }

  Outcome Run(const std::vector<std::string>& arguments) {
    testing::Process process(Command(arguments));
    const int code = process.Wait();
    return {code, process.out(), process.err()};
  }

  // The same with --local and the fake program.
  Outcome RunLocal(std::vector<std::string> arguments,
                   testing::Environment environment = {}) {
    arguments.insert(arguments.begin(), {Advctl(), "--local"});
    environment.push_back({"ADVCTL_ADVSERVER", FakeAdvserver()});
    environment.push_back({"TMPDIR", folder_.string()});
    testing::Process process(arguments, environment);
    const int code = process.Wait();
    return {code, process.out(), process.err()};
  }

  std::string MakeImage(const std::string& name) {
    Image image{32, 32, std::string(3072, '\x50')};
    EXPECT_TRUE(WritePng(Path(name), image).ok());
    return Path(name);
  }

  std::unique_ptr<testing::FakeServer> server_;
};

}  // namespace adv

#endif  // ADV_TESTS_CLIENT_CLI_FIXTURE_H_
