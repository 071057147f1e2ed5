/**
 * Guard: the one lock of the transport, taken once per batch and not per packet.
 *
 * Both threads hold it shared while they work through a batch; the few changes there are (peers, keypairs,
 * roaming) are made holding it alone. Writers go first: std::shared_mutex lets readers in past a waiting writer,
 * and two threads under load would then overlap for ever and starve the main thread.
 *
 * RCU was the other choice. One uncontended lock per 64 packets costs nothing that can be measured, and here a
 * removed keypair is wiped when the call returns and not some time later.
 */
#pragma once

#include <pthread.h>

namespace anteroom {

class Guard {
 public:
  Guard() noexcept {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&lock_, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
  ~Guard() { pthread_rwlock_destroy(&lock_); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  class Shared {
   public:
    explicit Shared(Guard& guard) noexcept : guard_(guard) { pthread_rwlock_rdlock(&guard_.lock_); }
    ~Shared() { pthread_rwlock_unlock(&guard_.lock_); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

   private:
    Guard& guard_;
  };

  class Alone {
   public:
    explicit Alone(Guard& guard) noexcept : guard_(guard) { pthread_rwlock_wrlock(&guard_.lock_); }
    ~Alone() { pthread_rwlock_unlock(&guard_.lock_); }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

   private:
    Guard& guard_;
  };

 private:
  pthread_rwlock_t lock_;
};

}  // namespace anteroom
