#include "net/address.h"

#include <gmock/gmock.h>

#include <optional>
#include <string>

namespace adv {
namespace {

using ::testing::HasSubstr;

TEST(AddressTest, HostsPortsBracketsAndSocketsAreRead) {
  for (const char* text :
       {"127.0.0.1:50051", "localhost:0", "example.org:65535", "[::1]:1",
        "a_host-1:7", "unix:/run/adv.sock", "unix:relative"}) {
    const absl::StatusOr<Address> address = ParseAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(ToString(*address), text);
  }
  const Address v6 = *ParseAddress("[fe80::1]:9");
  EXPECT_EQ(v6.host, "fe80::1");
  EXPECT_EQ(v6.port, 9);
}

TEST(AddressTest, WhatIsNoAddressIsRefusedWithTheRange) {
  for (const char* text : {"",
                           ":1",
                           "9464",
                           "localhost",
                           "127.0.0.1:",
                           "127.0.0.1:99999",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:+1",
                           "127.0.0.1: 1",
                           "::1",
                           "::1:5",
                           "[::1]",
                           "[::1:5",
                           "::1]:5",
                           "[localhost]:5",
                           "[localhost:5",
                           "[:5",
                           "[",
                           "[]:5",
                           "a b:5",
                           "a,b:5",
                           "a/b:5",
                           "http://a:5",
                           "a:b:5",
                           "unix:",
                           "1:2:3",
                           "127.0.0.1:1\n",
                           "127.0.0.1:99999999999999999999"}) {
    const absl::StatusOr<Address> address = ParseAddress(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(address.status().message()),
                HasSubstr("a port from 0 to 65535"));
  }
}

TEST(AddressTest, TheRulesOfTheCallerHold) {
  AddressRules rules;
  rules.lowest_port = 1;
  rules.default_port = 50051;
  rules.may_be_unix = false;
  EXPECT_EQ(ToString(*ParseAddress("gpu1", rules)), "gpu1:50051");
  EXPECT_EQ(ToString(*ParseAddress("[::1]", rules)), "[::1]:50051");
  EXPECT_FALSE(ParseAddress("[gpu1", rules).ok());
  EXPECT_FALSE(ParseAddress("gpu1:0", rules).ok());
  EXPECT_FALSE(ParseAddress("unix:/a", rules).ok());
  EXPECT_FALSE(ParseAddress("50051", rules).ok());
}

TEST(AddressTest, LoopbackIsWhatNoOtherMachineReaches) {
  for (const char* text : {"127.0.0.1:1", "127.1.2.3:1", "localhost:1",
                           "LOCALHOST:1", "[::1]:1", "unix:/a"}) {
    EXPECT_TRUE(IsLoopback(*ParseAddress(text))) << text;
  }
  for (const char* text :
       {"0.0.0.0:1", "[::]:1", "127.evil.example:1", "127.0.0.1.example:1",
        "notlocalhost:1", "localhost.example:1", "10.0.0.1:1", "[fe80::1]:1"}) {
    EXPECT_FALSE(IsLoopback(*ParseAddress(text))) << text;
  }
}

}  // namespace
}  // namespace adv
