#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/attacks/whole_number.h"
#include "client/commands/commands.h"
#include "client/images/image_file.h"
#include "client/images/model_images.h"
#include "client/printers/images.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// Well under a server's default limit of 16 MiB a message.
constexpr std::uint64_t kCallBytes = 4 << 20;

struct ClassifyFlags {
  std::vector<std::string> images;
  std::string model = "balanced";
  std::uint32_t top_k = 3;
};

// The results of all calls, in the order of the files.
struct Results {
  v1::ModelReference model;
  std::vector<v1::Classification> images;
};

// Reads the files in their order, each resized to `shape`. A wrong file does
// not end the loop, so that all wrong files are told at once.
ExitCode ReadAll(Context& context, const ClassifyFlags& flags,
                 const ImageShape& shape, std::vector<Image>* images) {
  ExitCode code = kOk;
  for (const std::string& path : flags.images) {
    const auto image = ReadImage(path, shape.channels);
    if (!image.ok()) {
      code = context.Fail(image.status());
      continue;
    }
    if (image->width != shape.width || image->height != shape.height) {
      context.Verbose(absl::StrCat(path, ": resized from ", image->width, "x",
                                   image->height, " to ", shape.width, "x",
                                   shape.height));
    }
    images->push_back(Resize(*image, shape));
  }
  return code;
}

void PrintTable(const ClassifyFlags& flags, const Results& results,
                Context& context) {
  for (std::size_t i = 0; i < results.images.size(); ++i) {
    context.out() << (i > 0 ? "\n" : "")
                  << context.style().Bold(Visible(flags.images[i]))
                  << context.style().Dim(
                         Visible(absl::StrCat("  ", ModelText(results.model))))
                  << "\n"
                  << ClassificationText(results.images[i], context.style());
  }
}

// One row for each listed class of each image; rank 1 is the best.
void PrintCsv(const ClassifyFlags& flags, const Results& results,
              Context& context) {
  Table table({{"image"},
               {"model"},
               {"model_version"},
               {"rank"},
               {"label"},
               {"class"},
               {"probability"}});
  for (std::size_t i = 0; i < results.images.size(); ++i) {
    int rank = 0;
    for (const v1::ClassScore& score : results.images[i].top()) {
      table.AddRow({flags.images[i], results.model.name(),
                    absl::StrCat(results.model.version()), absl::StrCat(++rank),
                    absl::StrCat(score.label()), score.class_name(),
                    ExactText(score.probability())});
    }
  }
  context.out() << table.ToCsv();
}

void PrintJson(const ClassifyFlags& flags, const Results& results,
               Context& context) {
  auto list = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < results.images.size(); ++i) {
    nlohmann::ordered_json one = {{"image", flags.images[i]}};
    // The name of the file comes first, then the fields of the message.
    one.update(ToJson(results.images[i]));
    list.push_back(one);
  }
  context.out() << JsonText(
      {{"model", ToJson(results.model)}, {"results", list}});
}

ExitCode Run(Context& context, const ClassifyFlags& flags) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  v1::ModelManifest model;
  ExitCode code = GetManifest(context, *server, flags.model, &model);
  if (code != kOk) return code;
  const auto shape = ShapeOf(model);
  if (!shape.ok()) return context.Fail(shape.status());
  std::vector<Image> images;
  code = ReadAll(context, flags, *shape, &images);
  if (code != kOk) return code;
  Results results;
  // All images have the model's size.
  const std::size_t most =
      ImagesPerCall(images.front().pixels.size(), kCallBytes);
  for (std::size_t begin = 0; begin < images.size(); begin += most) {
    const std::size_t end = std::min(images.size(), begin + most);
    v1::ClassifyRequest request;
    request.set_model(flags.model);
    request.set_top_k(flags.top_k);
    *request.mutable_images() =
        ToBatch({images.begin() + begin, images.begin() + end});
    const auto call = server->NewCall(kComputeSeconds);
    v1::ClassifyResponse response;
    const grpc::Status status =
        server->evaluation().Classify(call.get(), request, &response);
    if (!status.ok()) return context.Fail(status);
    results.model = response.model();
    results.images.insert(results.images.end(), response.results().begin(),
                          response.results().end());
  }
  // The printers take the name of an image by its position, so both must be as
  // many.
  if (results.images.size() != images.size()) {
    return context.Fail(absl::InternalError(
        "the server answered for another number of images"));
  }
  switch (context.options().output) {
    case OutputFormat::kTable:
      PrintTable(flags, results, context);
      break;
    case OutputFormat::kJson:
      PrintJson(flags, results, context);
      break;
    case OutputFormat::kCsv:
      PrintCsv(flags, results, context);
      break;
  }
  return kOk;
}

}  // namespace

void AddClassify(CLI::App& app, Action* action) {
  CLI::App* command =
      app.add_subcommand("classify", "Say what a model sees in image files");
  auto flags = std::make_shared<ClassifyFlags>();
  command
      ->add_option("IMAGE", flags->images,
                   "PNG or JPEG files, at most 64 MB each; resized to what the "
                   "model takes, what is transparent on white")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--model", flags->model,
                   "NAME or NAME@VERSION; default balanced")
      ->type_name("NAME");
  command
      ->add_option("--top-k", flags->top_k,
                   "Classes listed per image, 0 for all; default 3")
      ->type_name("K")
      ->check(WholeNumber(0, UINT32_MAX));
  command->footer(
      "Examples:\n"
      "  advctl classify cat.png\n"
      "  advctl classify --model=no-cat --top-k=5 *.jpg\n"
      "  advctl classify --output=csv photos/*.png > classes.csv");
  command->callback([action, flags] {
    *action = [flags](Context& context) { return Run(context, *flags); };
  });
}

}  // namespace adv
