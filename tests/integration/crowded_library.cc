// A library that a test has loaded into a program before main, and that does
// what OpenBLAS does there: it takes most of the room that small thread stacks
// have for static thread-local storage, and starts a thread that takes every
// signal.
#include <pthread.h>
#include <unistd.h>

namespace {

__attribute__((tls_model("initial-exec"))) thread_local char storage[100000];

void* Wait(void*) {
  storage[0] = 1;
  while (true) pause();
}

__attribute__((constructor)) void StartThread() {
  pthread_t thread;
  pthread_create(&thread, nullptr, &Wait, nullptr);
}

}  // namespace
