// What the queue of a shared evaluation store carries, without any attack:
// servers take tiles and store their records at once.
//   bench_tile_queue_load URL SERVERS TILES IMAGES RESULTS
// prints "SECONDS RECORD_BYTES": of TILES tiles of one evaluation, each of
// IMAGES records with RESULTS results, by SERVERS servers at the same time.
#include <absl/strings/str_cat.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/evaluations/postgres_evaluation_store.h"
#include "server/evaluations/tile_queue.h"

namespace adv {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> result) {
  if (result.ok()) return *std::move(result);
  std::cerr << result.status() << "\n";
  std::exit(1);
}

void OrDie(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << "\n";
  std::exit(1);
}

// As large as those of real evaluations: few of their fields are 0.
v1::EvaluationRecord MakeRecord(int64_t index, int results) {
  v1::EvaluationRecord record;
  record.set_index(index);
  record.set_label(3);
  record.set_prediction(3);
  record.set_confidence(.1234567);
  for (int i = 0; i < results; ++i) {
    v1::AttackRecord& attack = *record.add_attacks();
    attack.set_target(-1);
    attack.set_prediction(5);
    attack.set_confidence(.1234567);
    attack.set_label_confidence(.7654321);
    attack.set_iterations(7);
    attack.set_gradients(40);
    attack.set_forwards(1);
    attack.set_linf(8. / 255);
  }
  return record;
}

void Work(TileQueue& queue, const std::string& id, int64_t tiles,
          int64_t images, int results) {
  while (const auto taken = OrDie(queue.Take(id))) {
    if (taken->number == tiles) return;  // the report
    std::vector<v1::EvaluationRecord> records;
    for (int64_t i = 0; i < images; ++i) {
      records.push_back(MakeRecord(taken->number * images + i, results));
    }
    OrDie(queue.Finish(id, taken->number, records, {1, 0}));
  }
}

void Run(const std::string& url, int servers, int64_t tiles, int64_t images,
         int results) {
  std::vector<std::unique_ptr<EvaluationStore>> stores;
  for (int i = 0; i < servers; ++i) {
    stores.push_back(OrDie(OpenPostgresStore({url, ""})));
  }
  const auto now = std::chrono::steady_clock::now;
  v1::Evaluation evaluation;
  // Another one for each run.
  evaluation.set_id(absl::StrCat("bench", now().time_since_epoch().count()));
  evaluation.set_state(v1::EVALUATION_STATE_QUEUED);
  evaluation.set_samples_total(tiles * images);
  OrDie(stores[0]->Create(evaluation));
  OrDie(stores[0]->queue()->Enter(evaluation.id(), images));
  const auto start = now();
  std::vector<std::thread> threads;
  for (const auto& store : stores) {
    threads.emplace_back([&] {
      Work(*store->queue(), evaluation.id(), tiles, images, results);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(now() - start).count();
  std::cout << seconds << " " << MakeRecord(99, results).ByteSizeLong() << "\n";
}

}  // namespace
}  // namespace adv

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "URL SERVERS TILES IMAGES RESULTS\n";
    return 2;
  }
  adv::Run(argv[1], std::atoi(argv[2]), std::atoll(argv[3]),
           std::atoll(argv[4]), std::atoi(argv[5]));
}
