#include "model_store/trainer/publish_model.h"

#include <ATen/Parallel.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <torch/version.h>

#include <memory>
#include <utility>

#include "engine/nn/device.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"
#include "engine/training/test_result.h"
#include "model_store/model_store.h"
#include "model_store/trainer/golden_outputs.h"

namespace adv {
namespace {

// The caller leaves the message out where there is no such training.
v1::AdversarialTraining ToProto(const AdversarialTraining& adversarial) {
  v1::AdversarialTraining proto;
  proto.set_method(adversarial.method == AdversarialTraining::Method::kFgsm
                       ? v1::ADVERSARIAL_TRAINING_METHOD_FGSM
                       : v1::ADVERSARIAL_TRAINING_METHOD_PGD);
  proto.set_epsilon(adversarial.epsilon);
  proto.set_step_size(adversarial.step_size);
  proto.set_steps(static_cast<uint32_t>(adversarial.steps));
  proto.set_clean_weight(adversarial.clean_weight);
  return proto;
}

v1::TrainingSettings ToProto(const TrainingSettings& settings) {
  v1::TrainingSettings proto;
  proto.set_seed(settings.seed);
  proto.set_batch_size(static_cast<uint32_t>(settings.batch_size));
  proto.set_max_epochs(static_cast<uint32_t>(settings.max_epochs));
  proto.set_learning_rate(settings.learning_rate);
  proto.set_decay_per_update(settings.decay_per_update);
  proto.set_rho(settings.rho);
  proto.set_optimizer_epsilon(settings.optimizer_epsilon);
  proto.set_validation_fraction(settings.validation_fraction);
  proto.set_patience(static_cast<uint32_t>(settings.patience));
  proto.set_min_delta(settings.min_delta);
  proto.set_horizontal_flips(settings.horizontal_flips);
  for (const LearningRateDrop& drop : settings.learning_rate_drops) {
    v1::LearningRateDrop* added = proto.add_learning_rate_drops();
    added->set_after_fraction(drop.after_fraction);
    added->set_factor(drop.factor);
  }
  if (settings.adversarial.method != AdversarialTraining::Method::kNone) {
    *proto.mutable_adversarial() = ToProto(settings.adversarial);
  }
  proto.set_max_loss(settings.max_loss);
  proto.set_shuffle_on_device(settings.shuffle_on_device);
  return proto;
}

v1::TestResult ToProto(const TestResult& result) {
  v1::TestResult proto;
  proto.set_images(result.images);
  proto.set_correct(result.correct);
  proto.set_loss(result.loss);
  proto.mutable_confusion()->Add(result.confusion.begin(),
                                 result.confusion.end());
  return proto;
}

void AddEpochs(const std::vector<EpochRecord>& epochs,
               v1::TrainingRecord* record) {
  for (const EpochRecord& epoch : epochs) {
    v1::EpochRecord* added = record->add_epochs();
    added->set_training_loss(epoch.training_loss);
    added->set_training_accuracy(epoch.training_accuracy);
    added->set_validation_loss(epoch.validation_loss);
    added->set_validation_accuracy(epoch.validation_accuracy);
    added->set_wall_seconds(epoch.seconds);
  }
}

v1::TrainingRecord MakeRecord(const TrainerOptions& options,
                              const TrainingInputs& inputs,
                              const ImbalanceRecipe& recipe,
                              const Trainer& trainer) {
  v1::TrainingRecord record;
  record.set_recipe(recipe.name);
  record.set_recipe_seed(recipe.seed);
  std::vector<int64_t> per_class(inputs.training.class_names.size(), 0);
  const int64_t* labels = inputs.training.labels.data_ptr<int64_t>();
  // Counts only the images trained on; those for validation are left out.
  for (int64_t index : trainer.split().training) ++per_class[labels[index]];
  record.mutable_training_images_per_class()->Add(per_class.begin(),
                                                  per_class.end());
  record.set_dataset(options.dataset_name);
  record.set_training_data_sha256(inputs.training.digest);
  record.set_test_data_sha256(inputs.test.digest);
  *record.mutable_settings() = ToProto(trainer.settings());
  AddEpochs(trainer.epochs(), &record);
  record.set_best_epoch(static_cast<uint32_t>(trainer.best_epoch()));
  record.set_stop_reason(trainer.stopped_early()
                             ? v1::STOP_REASON_EARLY_STOPPING
                             : v1::STOP_REASON_MAX_EPOCHS);
  record.set_wall_seconds(trainer.seconds());
  record.set_device(DescribeDevice(inputs.device));
  if (inputs.device.is_cpu()) {
    // PublishModel runs on the thread that trained, so this is the number that
    // the weights depend on.
    record.set_threads(static_cast<uint32_t>(at::get_num_threads()));
  }
  record.add_software("adv " ADV_VERSION);
  record.add_software("LibTorch " TORCH_VERSION);
  // The balanced recipe has no such class.
  if (recipe.label >= 0) {
    record.set_special_label(static_cast<int32_t>(recipe.label));
  }
  if (inputs.initial) {
    *record.mutable_initial_weights() = ToProto(*inputs.initial);
  }
  return record;
}

// Tests `network` on `images` and writes the result to `result`.
absl::Status AddTest(const Network& network, const Dataset& images,
                     v1::TestResult* result) {
  const absl::StatusOr<TestResult> found = TestNetwork(network, images);
  if (found.ok()) *result = ToProto(*found);
  return found.status();
}

// All that the manifest says of a trained model. The store adds version, time
// and files.
absl::StatusOr<v1::ModelManifest> MakeManifest(const TrainerOptions& options,
                                               const TrainingInputs& inputs,
                                               const ModelTask& task,
                                               const Trainer& trainer,
                                               const Network& network) {
  v1::ModelManifest manifest;
  manifest.set_name(task.name);
  manifest.set_architecture(options.architecture);
  manifest.set_parameter_count(CountParameters(inputs.layers));
  for (const std::string& name : inputs.training.class_names) {
    manifest.add_class_names(name);
  }
  for (int64_t size : network.traits().image_shape)
    manifest.add_image_shape(size);
  manifest.set_preprocessing("unit");
  *manifest.mutable_training() =
      MakeRecord(options, inputs, task.recipe, trainer);
  absl::Status status = AddTest(network, inputs.test,
                                manifest.mutable_training()->mutable_test());
  if (!status.ok()) return status;
  for (const Dataset& other : inputs.other_tests) {
    v1::OtherTest* added = manifest.mutable_training()->add_other_tests();
    added->set_dataset(other.name);
    added->set_data_sha256(other.digest);
    status = AddTest(network, other, added->mutable_result());
    if (!status.ok()) return status;
  }
  // From the published weights, so that each load must give the same.
  absl::StatusOr<v1::GoldenOutputs> golden = MakeGolden(network);
  if (!golden.ok()) return golden.status();
  *manifest.mutable_golden() = *std::move(golden);
  return manifest;
}

}  // namespace

absl::StatusOr<std::string> PublishModel(const TrainerOptions& options,
                                         const TrainingInputs& inputs,
                                         const ModelTask& task,
                                         const Trainer& trainer, Lease* lease) {
  const absl::StatusOr<std::string> weights =
      SerializeSafetensors(trainer.BestParameters(), options.precision);
  if (!weights.ok()) return weights.status();
  // From here on only the published weights count, so they are read back as
  // rounded.
  const absl::StatusOr<StateDict> parameters = ParseSafetensors(*weights);
  if (!parameters.ok()) return parameters.status();
  const absl::StatusOr<std::shared_ptr<const Network>> network =
      MakeVgg(options.architecture, *parameters, inputs.device);
  if (!network.ok()) return network.status();

  const absl::StatusOr<v1::ModelManifest> manifest =
      MakeManifest(options, inputs, task, trainer, **network);
  if (!manifest.ok()) return manifest.status();
  uint64_t version = 0;
  // A worker that lost its lease must not publish beside the new holder.
  const absl::Status status = lease->WhileHeld([&] {
    const absl::StatusOr<uint64_t> published =
        ModelStore(options.store)
            .Publish(*manifest, {{kWeightsFile, *weights}});
    version = published.value_or(0);
    return published.status();
  });
  if (!status.ok()) return status;
  const v1::TestResult& test = manifest->training().test();
  return absl::StrFormat(
      "published as version %d in %s: %.2f %% of %d test images right, weights "
      "sha256 %s",
      version, options.store,
      100.0 * static_cast<double>(test.correct()) /
          static_cast<double>(test.images()),
      test.images(), Sha256Hex(*weights));
}

}  // namespace adv
