/**
 * Pool: threads that read initiations and write answers, so that the main thread only decides. A fixed number of jobs
 * is all there is: an initiation that finds none free waits with whoever brought it.
 *
 *   read → (a thread) → take: kRead → decide → write → (a thread) → take: kWritten → release
 *                                         └→ release
 *
 * Everything here but the threads' own part is for one thread, which alone holds the jobs that it has taken. With no
 * threads `read` and `write` compute at once, and `take` gives the result.
 */
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "responder.h"

namespace anteroom {

class HandshakePool {
 public:
  static constexpr unsigned kJobs = 32;
  static constexpr unsigned kMaxThreads = 8;
  using Tell = std::function<void()>;

  struct Job {
    enum class State : uint8_t { kFree, kReading, kRead, kWriting, kWritten, kRefused };

    State state = State::kFree;
    Exchange::Claim claim = Exchange::Claim::kNone;
    size_t length = 0;
    uint8_t message[kHybridInitiationBytes] = {};
    Exchange exchange;
    uint32_t local_index = 0;
    Answer answer;
    /** What was chosen for a vector. */
    bool chosen_ephemeral = false;
    bool chosen_randomness = false;
    Key32 ephemeral;
    Key32 kem_randomness;
  };

  /** `tell` is called from a thread when there is something to take, and must only pass the word on. */
  HandshakePool(const Local& local, unsigned threads, Tell tell);
  ~HandshakePool();
  HandshakePool(const HandshakePool&) = delete;
  HandshakePool& operator=(const HandshakePool&) = delete;

  /** The job's number; -1 when none is free or `bytes` are too many for an initiation. */
  int read(const uint8_t* bytes, size_t length) noexcept;
  /** False when `number` isn't a job that was taken as kRead from a peer. */
  bool write(unsigned number, uint32_t local_index, const Chosen& chosen = {}) noexcept;
  /** A job that was taken, or isn't one: its secrets are cleansed and it is free. */
  void release(unsigned number) noexcept;
  /** The numbers of the jobs that are done, in that order. */
  unsigned take(std::array<uint8_t, kJobs>& numbers) noexcept;
  /** Of a number that was taken. */
  const Job& job(unsigned number) const noexcept { return jobs_[number]; }

  /** Idempotent; joins the threads and cleanses every job. */
  void stop() noexcept;

 private:
  /** Numbers of jobs, each at most once: it can't overflow. */
  class Line {
   public:
    bool empty() const noexcept { return count_ == 0; }
    void push(uint8_t number) noexcept { numbers_[(first_ + count_++) % kJobs] = number; }
    uint8_t pop() noexcept {
      const uint8_t number = numbers_[first_];
      first_ = (first_ + 1) % kJobs;
      count_--;
      return number;
    }

   private:
    std::array<uint8_t, kJobs> numbers_{};
    unsigned first_ = 0;
    unsigned count_ = 0;
  };

  void submit(uint8_t number) noexcept;
  void run() noexcept;
  void compute(Job& job) const noexcept;
  static void clear(Job& job) noexcept;

  const Local& local_;
  const Tell tell_;
  std::unique_ptr<Job[]> jobs_;
  Line free_;
  std::mutex lock_;
  std::condition_variable work_;
  Line waiting_;
  Line done_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace anteroom
