/**
 * Pool: the threads. See pool.h.
 */
#include "pool.h"

#include <pthread.h>

#include <csignal>
#include <cstring>
#include <utility>

namespace anteroom {

HandshakePool::HandshakePool(const Local& local, unsigned threads, Tell tell)
    : local_(local), tell_(std::move(tell)), jobs_(new Job[kJobs]) {
  for (unsigned number = 0; number < kJobs; number++) free_.push(static_cast<uint8_t>(number));
  // Signals are the main thread's business; a new thread inherits this mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    for (unsigned i = 0; i < threads && i < kMaxThreads; i++) {
      threads_.emplace_back([this] { run(); });
      pthread_setname_np(threads_.back().native_handle(), "anteroom-keys");
    }
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    stop();
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

HandshakePool::~HandshakePool() { stop(); }

void HandshakePool::stop() noexcept {
  {
    const std::lock_guard lock(lock_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (unsigned number = 0; number < kJobs; number++) clear(jobs_[number]);
}

int HandshakePool::read(const uint8_t* bytes, size_t length) noexcept {
  if (length > kHybridInitiationBytes || free_.empty()) return -1;
  const uint8_t number = free_.pop();
  Job& job = jobs_[number];
  job.state = Job::State::kReading;
  job.length = length;
  std::memcpy(job.message, bytes, length);
  submit(number);
  return number;
}

bool HandshakePool::write(unsigned number, uint32_t local_index, const Chosen& chosen) noexcept {
  if (number >= kJobs) return false;
  Job& job = jobs_[number];
  if (job.state != Job::State::kRead || job.claim != Exchange::Claim::kPeer) return false;
  job.state = Job::State::kWriting;
  job.local_index = local_index;
  job.chosen_ephemeral = chosen.ephemeral != nullptr;
  if (job.chosen_ephemeral) job.ephemeral.set(chosen.ephemeral);
  job.chosen_randomness = chosen.kem_randomness != nullptr;
  if (job.chosen_randomness) job.kem_randomness.set(chosen.kem_randomness);
  submit(static_cast<uint8_t>(number));
  return true;
}

void HandshakePool::release(unsigned number) noexcept {
  if (number >= kJobs) return;
  Job& job = jobs_[number];
  const Job::State state = job.state;
  if (state != Job::State::kRead && state != Job::State::kWritten && state != Job::State::kRefused) return;
  clear(job);
  free_.push(static_cast<uint8_t>(number));
}

void HandshakePool::clear(Job& job) noexcept {
  job.state = Job::State::kFree;
  job.exchange.noise.wipe();
  job.answer.send_key.wipe();
  job.answer.receive_key.wipe();
  job.ephemeral.wipe();
  job.kem_randomness.wipe();
}

unsigned HandshakePool::take(std::array<uint8_t, kJobs>& numbers) noexcept {
  unsigned count = 0;
  const std::lock_guard lock(lock_);
  while (!done_.empty()) {
    const uint8_t number = done_.pop();
    numbers[count++] = number;
    Job& job = jobs_[number];
    if (job.state == Job::State::kReading) job.state = Job::State::kRead;
    if (job.state == Job::State::kWriting) job.state = job.answer.length != 0 ? Job::State::kWritten : Job::State::kRefused;
  }
  return count;
}

void HandshakePool::submit(uint8_t number) noexcept {
  if (threads_.empty()) {
    compute(jobs_[number]);
    done_.push(number);
    return;
  }
  {
    const std::lock_guard lock(lock_);
    waiting_.push(number);
  }
  work_.notify_one();
}

void HandshakePool::run() noexcept {
  std::unique_lock lock(lock_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const uint8_t number = waiting_.pop();
    lock.unlock();
    compute(jobs_[number]);
    lock.lock();
    done_.push(number);
    lock.unlock();
    tell_();
    lock.lock();
  }
}

void HandshakePool::compute(Job& job) const noexcept {
  if (job.state == Job::State::kReading) {
    job.claim = local_.read(job.message, job.length, job.exchange);
    return;
  }
  const Chosen chosen{job.chosen_ephemeral ? job.ephemeral.data() : nullptr,
                      job.chosen_randomness ? job.kem_randomness.data() : nullptr};
  if (!local_.write(job.exchange, job.local_index, job.answer, chosen)) job.answer.length = 0;
}

}  // namespace anteroom
