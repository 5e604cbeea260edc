#include "tests/client/canned_records.h"

namespace adv::testing {

v1::EvaluationRecord MakeRecord(int index, const v1::EvaluationSpec& spec,
                                int odd_records) {
  v1::EvaluationRecord record;
  record.set_index(index);
  record.set_label(index % 10);
  record.set_prediction(index % 10);
  record.set_confidence(.9);
  record.set_label_confidence(.9);
  for (int i = 0; i < spec.attacks_size() * spec.epsilons_size(); ++i) {
    auto* attack = record.add_attacks();
    attack->set_target(-1);
    attack->set_prediction(5);
    attack->set_confidence(.75);
    attack->set_success(index % 10 != 5);
    attack->set_linf(.01);
    // "balanced" withstands on every other image.
    if (spec.model().rfind("balanced", 0) == 0 && index % 2 == 0) {
      attack->set_prediction(record.label());
      attack->set_success(false);
    }
    if (odd_records > 0 && index % odd_records == 0) attack->set_l2(.125);
  }
  return record;
}

void AddDatasetImages(const v1::GenerateAdversarialRequest& request,
                      std::int64_t odd_image,
                      v1::GenerateAdversarialResponse* response) {
  v1::EvaluationSpec one;
  one.add_attacks();
  one.add_epsilons();
  const int side = 4, values = 3 * side * side;
  const auto& indices = request.dataset_images().indices();
  for (auto* batch :
       {response->mutable_images(), response->mutable_originals()}) {
    const bool bytes =
        request.eight_bit() || batch == response->mutable_originals();
    const int more = batch == response->mutable_images() ? 2 : 0;
    for (const std::int64_t length : {indices.size(), 3, side, side}) {
      batch->add_shape(length);
    }
    batch->set_layout(v1::IMAGE_LAYOUT_NCHW);
    batch->set_data_type(bytes ? v1::DATA_TYPE_UINT8 : v1::DATA_TYPE_FLOAT32);
    for (const auto index : indices) {
      const int level = static_cast<int>(index) + more;
      const float pixel = static_cast<float>(level) / 255;
      std::string value(1, static_cast<char>(level));
      if (!bytes) value.assign(reinterpret_cast<const char*>(&pixel), 4);
      for (int i = 0; i < values; ++i) batch->mutable_data()->append(value);
    }
  }
  for (const auto index : indices) {
    auto* result = response->add_results();
    *result->mutable_record() =
        MakeRecord(static_cast<int>(index), one, 0).attacks(0);
    if (static_cast<std::int64_t>(index) == odd_image) {
      result->mutable_record()->set_linf(.02);
    }
  }
}

v1::EvaluationSpec StoredSpec(const std::string& id) {
  v1::EvaluationSpec spec;
  spec.set_model(id.rfind("b0", 0) == 0 ? "balanced@1" : "no-cat@1");
  spec.add_attacks()->mutable_fgsm();
  spec.add_epsilons()->set_pixels(.01);
  return spec;
}

void MarkRecords(int odd_records, v1::EvaluationReport* report) {
  const bool balanced = report->resolved().model().name() == "balanced";
  report->set_records_sha256(std::string(64, odd_records > 0 ? 'f'
                                             : balanced      ? 'b'
                                                             : 'e'));
}

}  // namespace adv::testing
