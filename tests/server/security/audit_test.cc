#include "server/security/audit.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AuditTest : public ::testing::Test {
 protected:
  AuditTest() {
    ada_.name = "ada";
    ada_.role = Role::kEvaluator;
  }

  void Write(Audit& audit, const AuditedAttack& attack) {
    audit.Write({ada_, "ipv4:1", "GenerateAdversarial", attack, "id-1",
                 std::string(32, 'a'), "OK"});
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  Identity ada_;
  TemporaryFolder folder_;
  std::ostringstream log_text_;
  Log log_{log_text_, LogFormat::kText};
};

TEST_F(AuditTest, ALineSaysWhoAttackedWhatAndHow) {
  v1::GenerateAdversarialRequest request;
  request.set_model("no-cat");
  request.set_source_model("balanced");
  request.mutable_attack()->mutable_pgd();
  request.mutable_epsilon()->set_levels(8);
  request.set_norm(v1::NORM_LINF);
  request.mutable_images()->set_data("pixels-of-an-image");
  for (const int size : {5, 32, 32, 3})
    request.mutable_images()->add_shape(size);
  auto audit = Audit::Open("", LogFormat::kText, &log_);
  ASSERT_TRUE(audit.ok());
  Write(**audit, DescribeAttack(request));
  EXPECT_THAT(
      log_text_.str(),
      HasSubstr("event=audit identity=ada role=evaluator peer=ipv4:1 "
                "method=GenerateAdversarial model=no-cat "
                "source_model=balanced attacks=pgd epsilons=8/255 norm=linf "
                "images=5 evaluation_id=\"\" request_id=id-1 "
                "trace_id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa code=OK\n"));
  EXPECT_THAT(log_text_.str(), Not(HasSubstr("pixels-of")));
}

TEST_F(AuditTest, AnEvaluationNamesAllItsAttacksAndEpsilons) {
  v1::EvaluationSpec spec;
  spec.add_attacks()->mutable_fgsm();
  spec.add_attacks()->mutable_auto_attack();
  spec.add_attacks();
  spec.add_epsilons()->set_pixels(.5);
  spec.add_epsilons()->set_levels(2);
  spec.set_norm(v1::NORM_L2);
  spec.set_samples(100);
  const AuditedAttack attack = DescribeAttack(spec);
  EXPECT_EQ(attack.attacks, "fgsm,auto_attack,");
  EXPECT_EQ(attack.epsilons, "0.5,2/255");
  EXPECT_EQ(attack.norm, "l2");
  EXPECT_EQ(attack.images, 100);
}

TEST_F(AuditTest, ImagesOfADataSetAreCounted) {
  v1::GenerateAdversarialRequest request;
  request.mutable_dataset_images()->add_indices(3);
  request.mutable_dataset_images()->add_indices(4);
  EXPECT_EQ(DescribeAttack(request).images, 2);
  EXPECT_EQ(DescribeAttack(v1::GenerateAdversarialRequest()).images, 0);
}

TEST_F(AuditTest, AFileOfItsOwnIsAddedTo) {
  const std::string path = folder_ / "audit";
  for (int i = 0; i < 2; ++i) {
    auto audit = Audit::Open(path, LogFormat::kJson, &log_);
    ASSERT_TRUE(audit.ok()) << audit.status();
    Write(**audit, {});
  }
  const std::string text = Read(path);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_THAT(text, HasSubstr("\"event\":\"audit\""));
  EXPECT_EQ(log_text_.str(), "");
}

TEST_F(AuditTest, ALineThatTheFileDoesNotTakeGoesToTheLog) {
  auto audit = Audit::Open("/dev/full", LogFormat::kText, &log_);
  ASSERT_TRUE(audit.ok()) << audit.status();
  for (int i = 0; i < 2; ++i) Write(**audit, {});
  const std::string text = log_text_.str();
  EXPECT_THAT(text, HasSubstr("event=audit_log_failed"));
  size_t lines = 0;
  for (size_t at = text.find("event=audit "); at != std::string::npos;
       at = text.find("event=audit ", at + 1)) {
    ++lines;
  }
  EXPECT_EQ(lines, 2);
}

TEST_F(AuditTest, AFileThatCannotBeOpenedIsAnError) {
  const auto audit =
      Audit::Open(folder_ / "missing/audit", LogFormat::kText, &log_);
  ASSERT_FALSE(audit.ok());
  EXPECT_THAT(std::string(audit.status().message()),
              HasSubstr("--audit-log: "));
}

}  // namespace
}  // namespace adv
