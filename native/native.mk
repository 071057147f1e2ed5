# Native half: the addon, its TAP test binary (plain and under ASan + UBSan) and the libFuzzer targets.
#
# One list of objects below the binding links into all of them. The addon leaves OpenSSL's EVP symbols to the node
# binary that loads it; test binaries link the system's libcrypto at run time, with Node's headers. The header
# path is explicit because npm's `nodedir` may point at another Node's.

NATIVE_ARCH := $(if $(filter aarch64,$(shell uname -m)),arm64,x64)
NATIVE_NODE := .toolchain/node_modules/node-linux-$(NATIVE_ARCH)
NATIVE_CXX ?= g++
NATIVE_CLANG ?= clang++-14

NATIVE_CORE := $(wildcard native/net/*.cc native/transport/*.cc native/handshake/*.cc native/sensor/*.cc native/os/*.cc)
NATIVE_BINDING := $(wildcard native/binding/*.cc)
NATIVE_TESTS := $(wildcard test/native/*.cc)
NATIVE_FUZZERS := $(wildcard test/native/fuzz/*.cc)

NATIVE_WARN := -Wall -Wextra -Werror
NATIVE_CPPFLAGS := -isystem $(NATIVE_NODE)/include/node -Inative -MMD -MP
NATIVE_CXXFLAGS := -std=c++20 $(NATIVE_WARN) -fno-strict-aliasing -fstack-protector-strong -fPIC -pthread
NATIVE_RELEASE := -O2 -g1 -D_FORTIFY_SOURCE=2 -fvisibility=hidden
NATIVE_SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
NATIVE_LDFLAGS := -pthread -Wl,-z,relro,-z,now,-z,noexecstack
NATIVE_CRYPTO := -l:libcrypto.so.3

native-objects = $(patsubst %.cc,build/native/$(1)/%.o,$(2))
NATIVE_CORE_O := $(call native-objects,release,$(NATIVE_CORE))
NATIVE_CORE_ASAN := $(call native-objects,asan,$(NATIVE_CORE))
NATIVE_CORE_FUZZ := $(call native-objects,fuzz,$(NATIVE_CORE))

build/native/anteroom.node: $(NATIVE_CORE_O) $(call native-objects,release,$(NATIVE_BINDING))
	$(NATIVE_CXX) -shared $(NATIVE_LDFLAGS) -o $@ $^

# The package raw-socket, without node-gyp: npm runs no package's scripts here. It belongs to one Node's ABI and looks for
# its machine code in its own folder. Its C++ isn't ours to warn about.
NATIVE_RAW_CPPFLAGS = -isystem $(NATIVE_NODE)/include/node -isystem node_modules/nan -DNODE_GYP_MODULE_NAME=raw -DBUILDING_NODE_EXTENSION
NATIVE_RAW_CXXFLAGS := -std=c++20 -w -fPIC -fno-strict-aliasing -fstack-protector-strong -fvisibility=hidden -O2
node_modules/raw-socket/build/Release/raw.node: native/native.mk $(MODULES_STAMP)
	@mkdir -p $(@D)
	$(NATIVE_CXX) -shared $(NATIVE_RAW_CPPFLAGS) $(NATIVE_RAW_CXXFLAGS) $(NATIVE_LDFLAGS) -o $@ node_modules/raw-socket/src/raw.cc

# Both for the image of arm64, by a cross compiler and with the headers of that Node.
NATIVE_ARM64_CXX ?= aarch64-linux-gnu-g++
build/native-arm64/anteroom.node: $(patsubst %.cc,build/native-arm64/%.o,$(NATIVE_CORE) $(NATIVE_BINDING))
	$(NATIVE_ARM64_CXX) -shared $(NATIVE_LDFLAGS) -o $@ $^

build/native-arm64/raw.node: native/native.mk $(MODULES_STAMP) $(NODE_ARM64_STAMP) | apt-image-arm64
	@mkdir -p $(@D)
	$(NATIVE_ARM64_CXX) -shared $(subst $(NATIVE_NODE),$(NODE_ARM64),$(NATIVE_RAW_CPPFLAGS)) $(NATIVE_RAW_CXXFLAGS) $(NATIVE_LDFLAGS) -o $@ node_modules/raw-socket/src/raw.cc

build/native/test-native: $(NATIVE_CORE_O) $(call native-objects,release,$(NATIVE_TESTS))
	$(NATIVE_CXX) $(NATIVE_LDFLAGS) -o $@ $^ $(NATIVE_CRYPTO)

build/native/send-frames: build/native/release/test/native/bench/send_frames.o
	$(NATIVE_CXX) $(NATIVE_LDFLAGS) -o $@ $^

build/native/test-native-asan: $(NATIVE_CORE_ASAN) $(call native-objects,asan,$(NATIVE_TESTS))
	$(NATIVE_CXX) $(NATIVE_LDFLAGS) $(NATIVE_SANITIZE) -o $@ $^ $(NATIVE_CRYPTO)

build/native/fuzz-%: build/native/fuzz/test/native/fuzz/%.o $(NATIVE_CORE_FUZZ)
	$(NATIVE_CLANG) $(NATIVE_LDFLAGS) $(NATIVE_SANITIZE) -fsanitize=fuzzer -o $@ $^ $(NATIVE_CRYPTO)

build/native/release/%.o: %.cc native/native.mk | $(NODE_STAMP)
	@mkdir -p $(@D)
	$(NATIVE_CXX) $(NATIVE_CPPFLAGS) $(NATIVE_CXXFLAGS) $(NATIVE_RELEASE) -c -o $@ $<

build/native-arm64/%.o: %.cc native/native.mk | $(NODE_ARM64_STAMP) apt-image-arm64
	@mkdir -p $(@D)
	$(NATIVE_ARM64_CXX) $(subst $(NATIVE_NODE),$(NODE_ARM64),$(NATIVE_CPPFLAGS)) $(NATIVE_CXXFLAGS) $(NATIVE_RELEASE) -c -o $@ $<

build/native/asan/%.o: %.cc native/native.mk | $(NODE_STAMP)
	@mkdir -p $(@D)
	$(NATIVE_CXX) $(NATIVE_CPPFLAGS) $(NATIVE_CXXFLAGS) $(NATIVE_SANITIZE) -c -o $@ $<

build/native/fuzz/%.o: %.cc native/native.mk | $(NODE_STAMP)
	@mkdir -p $(@D)
	$(NATIVE_CLANG) $(NATIVE_CPPFLAGS) $(NATIVE_CXXFLAGS) $(NATIVE_SANITIZE) -fsanitize=fuzzer-no-link -c -o $@ $<

.PRECIOUS: build/native/release/%.o build/native-arm64/%.o build/native/asan/%.o build/native/fuzz/%.o
-include $(shell find build/native build/native-arm64 -name '*.d' 2>/dev/null)
