#include "server/options.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ParsedOptions Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "advserver");
  return ParseOptions(static_cast<int>(arguments.size()), arguments.data());
}

TEST(OptionsTest, WithoutFlagsItServesLoopback) {
  const ParsedOptions parsed = Parse({});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->listen, "127.0.0.1:50051");
  EXPECT_EQ(parsed.options->metrics_listen, "127.0.0.1:9464");
  EXPECT_TRUE(CheckAddresses(*parsed.options).ok());
  EXPECT_EQ(parsed.options->state, DefaultStateFolder());
}

TEST(OptionsTest, FlagsAreUnderstood) {
  const ParsedOptions parsed = Parse(
      {"--listen=127.0.0.1:0", "--store=a", "--store=b", "--dataset=x=/d",
       "--state=:memory:", "--workers=2", "--max-images=8", "--max-records=7",
       "--max-state-bytes=65536", "--log-format=json", "--drain-seconds=3",
       "--keepalive-seconds=30", "--exit-when-stdin-closes"});
  ASSERT_TRUE(parsed.options);
  EXPECT_THAT(parsed.options->stores, ElementsAre("a", "b"));
  EXPECT_THAT(parsed.options->datasets, ElementsAre("x=/d"));
  EXPECT_EQ(parsed.options->state, kInMemory);
  EXPECT_EQ(parsed.options->workers, 2);
  EXPECT_EQ(parsed.options->limits.images_per_request, 8);
  EXPECT_EQ(parsed.options->limits.evaluation_records, 7);
  EXPECT_EQ(parsed.options->limits.state_bytes, 65536);
  EXPECT_EQ(parsed.options->log_format, LogFormat::kJson);
  EXPECT_EQ(parsed.options->drain_seconds, 3);
  EXPECT_EQ(parsed.options->keepalive_seconds, 30);
  EXPECT_TRUE(parsed.options->exit_when_stdin_closes);
}

TEST(OptionsTest, MetricsCanBeSwitchedOff) {
  EXPECT_EQ(Parse({"--metrics-listen=off"}).options->metrics_listen, "");
  EXPECT_EQ(Parse({"--metrics-port=0"}).options->metrics_listen, "");
  EXPECT_EQ(Parse({"--metrics-port=9000"}).options->metrics_listen,
            "127.0.0.1:9000");
}

TEST(OptionsTest, TheEnvironmentGivesWhatTheCommandLineDoesNot) {
  setenv("ADV_MAX_IMAGES", "8", 1);
  setenv("ADV_STORE", "a\nb", 1);
  setenv("ADV_METRICS_PORT", "9000", 1);
  setenv("ADV_EXIT_WHEN_STDIN_CLOSES", "true", 1);
  const ParsedOptions parsed = Parse({"--max-images=9"});
  const ParsedOptions address = Parse({"--metrics-listen=off"});
  setenv("ADV_MAX_IMAGES", "0", 1);
  const ParsedOptions wrong = Parse({});
  for (const char* name : {"ADV_MAX_IMAGES", "ADV_STORE", "ADV_METRICS_PORT",
                           "ADV_EXIT_WHEN_STDIN_CLOSES"}) {
    unsetenv(name);
  }
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->limits.images_per_request, 9);
  EXPECT_THAT(parsed.options->stores, ElementsAre("a", "b"));
  EXPECT_EQ(parsed.options->metrics_listen, "127.0.0.1:9000");
  EXPECT_TRUE(parsed.options->exit_when_stdin_closes);
  ASSERT_TRUE(address.options);
  EXPECT_EQ(address.options->metrics_listen, "");
  EXPECT_FALSE(wrong.options);
  EXPECT_EQ(wrong.exit_code, 2);
}

TEST(OptionsTest, TheMetricsHaveOneAddress) {
  EXPECT_EQ(Parse({"--metrics-port=1", "--metrics-listen=off"}).exit_code, 2);
}

TEST(OptionsTest, WrongFlagsEndWithTwoAndHelpWithZero) {
  for (const char* wrong :
       {"--workers=-1", "--max-images=0", "--log-format=xml", "--nonsense",
        "stray", "--intra-op-threads=0", "--listen=127.0.0.1:99999",
        "--listen=50051", "--listen=", "--metrics-listen=9464",
        "--metrics-listen=:9464", "--metrics-listen=unix:/tmp/a"}) {
    const ParsedOptions parsed = Parse({wrong});
    EXPECT_FALSE(parsed.options) << wrong;
    EXPECT_EQ(parsed.exit_code, 2) << wrong;
  }
  EXPECT_EQ(Parse({"--help"}).exit_code, 0);
  EXPECT_EQ(Parse({"--version"}).exit_code, 0);
}

TEST(OptionsTest, OtherAddressesThanLoopbackNeedInsecure) {
  Options options;
  for (const char* loopback : {"127.0.0.1:1", "127.1.2.3:1", "localhost:1",
                               "[::1]:1", "unix:/tmp/a"}) {
    options.listen = loopback;
    EXPECT_TRUE(CheckAddresses(options).ok()) << loopback;
  }
  for (const char* open : {"0.0.0.0:1", "[::]:1", "127.evil.example:1",
                           "example.org:1", "localhost.example:1"}) {
    options.listen = open;
    options.insecure = false;
    const absl::Status status = CheckAddresses(options);
    EXPECT_THAT(std::string(status.message()), HasSubstr("no TLS")) << open;
    EXPECT_THAT(std::string(status.message()), HasSubstr("--insecure"));
    options.insecure = true;
    EXPECT_TRUE(CheckAddresses(options).ok());
  }
}

TEST(OptionsTest, WithTlsItMayListenAnywhere) {
  Options options;
  options.listen = "0.0.0.0:1";
  options.tls_certificate = "a";
  EXPECT_TRUE(CheckAddresses(options).ok());
}

TEST(OptionsTest, FlagsOfTlsThatNeedOthersNameThem) {
  const std::vector<std::pair<std::vector<const char*>, std::string>> faults = {
      {{"--tls-certificate=a"}, "--tls-certificate needs --tls-key"},
      {{"--tls-key=a"}, "--tls-key needs --tls-certificate"},
      {{"--tls-client-ca=a"}, "--tls-client-ca needs --tls-certificate"},
      {{"--tls-certificate=a", "--tls-key=b", "--tls-crl=c"},
       "--tls-crl needs --tls-client-ca"},
      {{"--tls-certificate=a", "--tls-key=b",
        "--tls-require-client-certificate"},
       "--tls-require-client-certificate needs --tls-client-ca"}};
  for (const auto& [flags, fault] : faults) {
    const ParsedOptions parsed = Parse(flags);
    ASSERT_TRUE(parsed.options);
    EXPECT_EQ(std::string(CheckTlsOptions(*parsed.options).message()), fault);
  }
  const ParsedOptions whole =
      Parse({"--tls-certificate=a", "--tls-key=b", "--tls-client-ca=c",
             "--tls-crl=d", "--tls-require-client-certificate"});
  ASSERT_TRUE(whole.options);
  EXPECT_TRUE(CheckTlsOptions(*whole.options).ok());
  EXPECT_TRUE(CheckTlsOptions(Options()).ok());
}

TEST(OptionsTest, TheStateFolderFollowsTheStandard) {
  setenv("XDG_STATE_HOME", "/state", 1);
  EXPECT_EQ(DefaultStateFolder(), "/state/adv");
  unsetenv("XDG_STATE_HOME");
  setenv("HOME", "/home/ada", 1);
  EXPECT_EQ(DefaultStateFolder(), "/home/ada/.local/state/adv");
}

TEST(OptionsTest, AnEmptyValueIsNeverADefault) {
  for (const char* flag :
       {"--listen", "--address-file", "--store", "--dataset", "--state",
        "--device", "--workers", "--metrics-listen", "--metrics-port"}) {
    const ParsedOptions word = Parse({flag, "", "--insecure"});
    EXPECT_FALSE(word.options) << flag;
    EXPECT_EQ(word.exit_code, 2) << flag;
    const std::string sign = std::string(flag) + "=";
    // What follows is no value either.
    const ParsedOptions next = Parse({sign.c_str(), "--insecure"});
    EXPECT_FALSE(next.options) << flag;
    EXPECT_EQ(next.exit_code, 2) << flag;
  }
}

}  // namespace
}  // namespace adv
