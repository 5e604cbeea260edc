#include "client/evaluations/save_run.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>

#include "absl/strings/str_cat.h"
#include "client/evaluations/record_pages.h"
#include "client/files/new_folder.h"
#include "client/images/model_images.h"
#include "client/images/saved_images.h"
#include "client/printers/numbers.h"
#include "client/printers/report.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// Of one answer. The connection takes four times as much. Small answers let the
// progress move.
constexpr std::uint64_t kAnswerBytes = 64 << 20;

// The state of one saving, from the first call to the folder's name.
class Saving {
 public:
  Saving(Context& context, Connection& connection, Interrupts& interrupts,
         Progress& progress, NewFolder& folder)
      : context_(context),
        connection_(connection),
        interrupts_(interrupts),
        progress_(progress),
        folder_(folder) {}

  ExitCode Run(const std::vector<v1::Evaluation>& evaluations) {
    if (const ExitCode code = FindLimit(); code != kOk) return code;
    for (const auto& one : evaluations) total_ += one.report().results_size();
    for (const auto& one : evaluations) {
      SavedImages::Records records;
      const grpc::Status status =
          FetchRecords(connection_, one.id(), UINT64_MAX, &records);
      if (!status.ok()) return context_.Fail(status);
      if (const ExitCode code = FindMost(one); code != kOk) return code;
      for (int r = 0; r < one.report().results_size(); ++r) {
        const ExitCode code = SaveResult(one, records, r);
        progress_.End();
        if (code != kOk) return code;
      }
    }
    return kOk;
  }

  std::uint64_t images() const { return images_; }

 private:
  // A request with more images than the server allows would be refused.
  ExitCode FindLimit() {
    const auto call = connection_.NewCall(kQuickSeconds);
    v1::GetServerInfoResponse info;
    const grpc::Status status =
        connection_.server().GetServerInfo(call.get(), {}, &info);
    if (!status.ok()) return context_.Fail(status);
    limit_ = std::max(info.limits().images_per_request(), 1u);
    return kOk;
  }

  // How many images of the evaluation one call may ask for.
  ExitCode FindMost(const v1::Evaluation& evaluation) {
    const v1::EvaluationSpec& spec = evaluation.report().resolved().spec();
    v1::ModelManifest model;
    const ExitCode code =
        GetManifest(context_, connection_, spec.model(), &model);
    if (code != kOk) return code;
    // An adversarial image has floats or bytes, its original has bytes.
    std::uint64_t bytes = spec.eight_bit() ? 2 : 5;
    for (const std::int64_t side : model.image_shape()) bytes *= side;
    most_ = std::min<std::size_t>(limit_, ImagesPerCall(bytes, kAnswerBytes));
    return kOk;
  }

  // Makes the images of one attack at one epsilon again and writes their
  // folder.
  ExitCode SaveResult(const v1::Evaluation& evaluation,
                      const SavedImages::Records& records, int result) {
    // Records come from the server: they are checked before anything indexes
    // them.
    for (const v1::EvaluationRecord& record : records) {
      if (result < record.attacks_size()) continue;
      return context_.Fail(absl::InternalError(absl::StrCat(
          "the server's record of image ", record.index(), " is not whole")));
    }
    SavedImages saved(evaluation, records, result);
    progress_.Begin(
        absl::StrCat("[", ++number_, "/", total_, "] saving ",
                     evaluation.report().resolved().model().name(), " ",
                     ResultTitle(evaluation.report().results(result))));
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t begin = 0; begin < records.size(); begin += most_) {
      const std::size_t end = std::min(records.size(), begin + most_);
      const ExitCode code = Fetch(saved.Request(begin, end), &saved);
      if (code != kOk) return code;
      ShowProgress(end, records.size(), start);
    }
    const auto path = folder_.MakeFolder(NewName(saved.FolderName()));
    if (!path.ok()) return context_.Fail(path.status());
    const auto status = saved.Write(*path);
    if (!status.ok()) return context_.Fail(status);
    images_ += records.size();
    return kOk;
  }

  ExitCode Fetch(const v1::GenerateAdversarialRequest& request,
                 SavedImages* saved) {
    // The call computes a part of the evaluation again, so it gets an
    // evaluation's time.
    const auto call = connection_.NewCall(kEvaluationSeconds);
    // The function must be taken back before `call` goes out of scope.
    interrupts_.OnInterrupt([&call] { call->TryCancel(); });
    v1::GenerateAdversarialResponse response;
    const grpc::Status status = connection_.evaluation().GenerateAdversarial(
        call.get(), request, &response);
    interrupts_.OnInterrupt({});
    // The bar goes away before other text is printed.
    if (interrupts_.count() > 0 || !status.ok()) progress_.End();
    if (interrupts_.count() > 0) {
      context_.err() << "Interrupted; no images were saved." << std::endl;
      return kFailed;
    }
    if (!status.ok()) return context_.Fail(status);
    const int asked = request.dataset_images().indices_size();
    absl::Status added;
    if (response.results_size() != asked) {
      added = absl::InternalError(absl::StrCat("the server answered with ",
                                               response.results_size(), " of ",
                                               asked, " images"));
    } else {
      added = saved->Add(response);
    }
    if (added.ok()) return kOk;
    progress_.End();
    return context_.Fail(added);
  }

  // Shows the images of this result as the progress of an evaluation is shown.
  void ShowProgress(std::size_t done, std::size_t total,
                    std::chrono::steady_clock::time_point start) {
    const std::chrono::duration<double> seconds =
        std::chrono::steady_clock::now() - start;
    v1::EvaluationProgress shown;
    shown.set_samples_done(done);
    shown.set_samples_total(total);
    shown.set_samples_per_second(static_cast<double>(done) / seconds.count());
    shown.set_eta_seconds(static_cast<double>(total - done) /
                          shown.samples_per_second());
    progress_.Update(shown);
  }

  // The same attack may be there twice with other parameters, so a number makes
  // its folder's name unique.
  std::string NewName(const std::string& name) {
    std::string unique = name;
    for (int i = 2; !names_.insert(unique).second; ++i) {
      unique = absl::StrCat(name, "-", i);
    }
    return unique;
  }

  Context& context_;
  Connection& connection_;
  Interrupts& interrupts_;
  Progress& progress_;
  NewFolder& folder_;
  std::size_t limit_ = 1, most_ = 1;
  int number_ = 0, total_ = 0;
  std::uint64_t images_ = 0;
  std::set<std::string> names_;
};

}  // namespace

ExitCode SaveImages(Context& context, Connection& connection,
                    const std::vector<v1::Evaluation>& evaluations,
                    const std::string& folder, Interrupts& interrupts,
                    Progress& progress) {
  // Every return before Keep removes the folder with what it holds.
  const auto draft = NewFolder::Make(folder);
  if (!draft.ok()) return context.Fail(draft.status());
  Saving saving(context, connection, interrupts, progress, **draft);
  const ExitCode code = saving.Run(evaluations);
  if (code != kOk) return code;
  const auto status = (*draft)->Keep();
  if (!status.ok()) return context.Fail(status);
  // Programs read standard output as JSON or CSV; then this line must not be in
  // it.
  std::ostream& told = context.options().output == OutputFormat::kTable
                           ? context.out()
                           : context.err();
  told << "\nSaved " << CountText(static_cast<std::int64_t>(saving.images()))
       << " images to " << Visible(folder) << ".\n";
  return kOk;
}

}  // namespace adv
