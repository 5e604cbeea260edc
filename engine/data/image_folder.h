#ifndef ADV_ENGINE_DATA_IMAGE_FOLDER_H_
#define ADV_ENGINE_DATA_IMAGE_FOLDER_H_

#include <absl/status/statusor.h>

#include <string>

#include "engine/data/dataset.h"

namespace adv {

// A folder with a folder of PNG and JPEG images for each class, whose name is
// the class's; classes and images in the order of their names. All images must
// have the size of the first. They are gray if that one is, else of three
// channels; what is transparent lies on white. Other files are an error, hidden
// ones are ignored. INVALID_ARGUMENT names the file and what is wrong with it.
absl::StatusOr<Dataset> ReadImageFolder(const std::string& folder);

}  // namespace adv

#endif  // ADV_ENGINE_DATA_IMAGE_FOLDER_H_
