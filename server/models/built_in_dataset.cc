#include <absl/strings/string_view.h>

#include "server/models/dataset_registry.h"

// The assembler copies the file into the program; ADV_BUILT_IN_DATASET is its
// path.
asm(R"(
    .section .rodata
    .balign 16
adv_built_in_dataset_begin:
    .incbin ")" ADV_BUILT_IN_DATASET R"("
adv_built_in_dataset_end:
    .byte 0
    .previous
)");

namespace adv {

// Of these two only the addresses count: the bytes lie between them.
extern const char kBegin asm("adv_built_in_dataset_begin");
extern const char kEnd asm("adv_built_in_dataset_end");

absl::string_view BuiltInDatasetBytes() {
  return {&kBegin, static_cast<size_t>(&kEnd - &kBegin)};
}

}  // namespace adv
