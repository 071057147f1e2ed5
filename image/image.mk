# The appliance's image. Everything is made under build/image; see docs/adr/0010-image.md.
#
#   tools tree    Debian 13 with mkosi, ukify, QEMU: build/image/tools, entered by image/tools/enter
#   inputs        locked packages, the payload (node, bundles, addon), keys
#   outputs       build/image/ARCH/out-VERSION/anteroom_VERSION.*, build/image/ARCH/update-VERSION

VERSION ?= 1
# IMAGE_OPTIONS=--incremental=yes keeps the installed packages for the next build of the same lock; of arm64 they are kept
# as it is: emulated, installing takes a quarter of an hour.
IMAGE_OPTIONS ?= $(if $(filter arm64,$(IMAGE_ARCH)),--incremental=yes)
IMAGE_ARCH := $(or $(filter amd64 arm64,$(ARCH)),amd64)
IMAGE = build/image/$(IMAGE_ARCH)$(IMAGE_AGAIN)
IMAGE_OUT = $(IMAGE)/out-$(VERSION)/anteroom_$(VERSION)
IMAGE_MACHINE := $(if $(filter arm64,$(IMAGE_ARCH)),arm64,x86-64)
IMAGE_TOOLS := build/image/tools/usr/bin/mkosi
IMAGE_IN_TREE := image/tools/enter build/image/tools
# Names of image/packages/FILE..., with commas.
image-list = $(shell sed 's/\#.*//' $(1) | xargs | tr ' ' ',')

.PHONY: apt-image apt-image-arm64 image-tools image-lock image image-plain image-repro image-test image-test-arm64 image-cuts
apt-image: ; @.toolchain/apt build image
apt-image-arm64: ; @.toolchain/apt build image image-arm64

image-lock: apt-image $(MODULES_STAMP) ## Choose the newest Debian packages for the image and its tools, and write image/lock
	for set in 'tools amd64' 'image amd64' 'image arm64' 'pi arm64' 'linux arm64' 'plain amd64'; do node image/tools/lock.ts resolve $$set; done

image-tools: $(IMAGE_TOOLS) ## The Debian 13 tree that builds the image and boots it in tests

$(IMAGE_TOOLS): image/lock/tools-amd64.json | apt-image $(MODULES_STAMP)
	node image/tools/lock.ts fetch tools amd64 build/image/packages/tools-amd64
	rm -rf --one-file-system build/image/tools
	mmdebstrap --quiet --variant=apt --include=$(call image-list,image/packages/tools) trixie build/image/tools \
	  "deb [trusted=yes] copy://$(CURDIR)/build/image/packages/tools-amd64 ./"
	touch $@

# Before the image of arm64: our machine code for it, its kernel compressed, a Raspberry Pi's firmware, and a way to run
# its packages' scripts.
.PHONY: image-foreign
image-foreign: apt-image-arm64 build/native-arm64/anteroom.node build/native-arm64/raw.node $(IMAGE)/zboot
	image/tools/binfmt
	node image/tools/lock.ts fetch pi arm64 $(IMAGE)/pi

$(IMAGE)/zboot: image/lock/image-arm64.json image/lock/linux-arm64.json image/tools/zboot | apt-image-arm64 $(MODULES_STAMP)
	node image/tools/lock.ts fetch image arm64 $(IMAGE)/packages
	node image/tools/lock.ts fetch linux arm64 $(IMAGE)/linux
	rm -rf $@
	image/tools/zboot $(IMAGE)/linux $(IMAGE)/packages/linux-image-[0-9]*_arm64.deb $@
	touch $@

image: image-tools build $(if $(filter arm64,$(IMAGE_ARCH)),image-foreign) ## The appliance's disk image and its signed update: ARCH=amd64|arm64, VERSION=1
	image/tools/keys build/image/keys
	node image/tools/lock.ts fetch image $(IMAGE_ARCH) $(IMAGE)/packages
	node image/tools/payload.ts $(IMAGE_ARCH) $(IMAGE)/payload build/image/keys/update.pub
	node image/tools/sbom.ts $(IMAGE_ARCH) $(VERSION) $(IMAGE)/payload/usr/lib/anteroom/sbom.cdx.json
	rm -rf $(IMAGE)/out-$(VERSION)
	$(if $(filter arm64,$(IMAGE_ARCH)),image/tools/pi $(IMAGE)/pi $(IMAGE)/packages/linux-image-[0-9]*_arm64.deb $(IMAGE)/boot)
	$(IMAGE_IN_TREE) mkosi --directory /src/image --architecture $(IMAGE_MACHINE) --image-version $(VERSION) \
	  --package "$(call image-list,image/packages/image image/packages/image-$(IMAGE_ARCH))" \
	  --package-directory /src/$(IMAGE)/packages --extra-tree /src/rootfs-overlay --extra-tree /src/$(IMAGE)/payload \
	  $(if $(filter arm64,$(IMAGE_ARCH)),--extra-tree /src/$(IMAGE)/boot --extra-tree /src/$(IMAGE)/zboot) \
	  --output-directory /src/$(IMAGE)/out-$(VERSION) --workspace-directory /var/tmp --package-cache-dir /src/$(IMAGE)/pkgcache \
	  --cache-directory /src/$(IMAGE)/cache --force $(IMAGE_OPTIONS) build >$(IMAGE)/mkosi.log 2>&1 || { tail -n 40 $(IMAGE)/mkosi.log >&2; exit 1; }
	cp $(IMAGE)/payload/usr/lib/anteroom/sbom.cdx.json $(IMAGE_OUT).cdx.json
	node image/tools/bundle.ts $(IMAGE_ARCH) $(VERSION) $(IMAGE)/out-$(VERSION) build/image/keys/update.key $(IMAGE)/update-$(VERSION) $(MINIMUM)
	$(IMAGE_IN_TREE) zstd -q -f -10 -T0 /src/$(IMAGE_OUT).raw -o /src/$(IMAGE_OUT).raw.zst
	ls -l $(IMAGE_OUT).raw.zst $(IMAGE_OUT).efi | awk '{ printf "%6.1f MB  %s\n", $$5 / 1e6, $$9 }'

# Everything anew beside it, from the lock on; only the packages, whose hashes are checked, are taken over.
image-repro: image ## Build the image a second time from nothing and compare: root, verity, initial RAM disk, SBOM, kernel
	rm -rf $(IMAGE)-again
	mkdir -p $(IMAGE)-again
	cp -r $(IMAGE)/packages $(if $(filter arm64,$(IMAGE_ARCH)),$(IMAGE)/linux) $(IMAGE)-again
	$(MAKE) --no-print-directory image IMAGE_AGAIN=-again IMAGE_OPTIONS=
	node image/tools/repro.ts $(VERSION) $(IMAGE)/out-$(VERSION) $(IMAGE)-again/out-$(VERSION)

image-plain: image-tools ## The plain Debian that the appliance is compared with: build/image/plain
	node image/tools/lock.ts fetch plain amd64 build/image/packages/plain-amd64
	image/tools/plain build/image/packages/plain-amd64 build/image/plain

# N=10 SEED=1: so many more; the count in build/image/cuts.json goes on.
N ?= 10
image-cuts: ## Kill the machine N times at random moments; it must come up each time with everything acknowledged
	node test/image/cuts.ts $(N) $(SEED)

# Images are made once, what is tried with them is apart: `make -j2 image-test` does two at a time.
.PHONY: image-test-images image-test-start image-test-provision image-test-base image-test-update image-test-rollback
image-test-images:
	$(MAKE) --no-print-directory image ARCH=amd64 VERSION=1
	$(MAKE) --no-print-directory image ARCH=amd64 VERSION=2
	$(MAKE) --no-print-directory image-plain

image-test-start: image-test-images
	node test/image/appliance.ts

image-test-provision: image-test-images
	node test/image/provision.ts

image-test-base: image-test-images
	node test/image/update.ts base

image-test-update: image-test-base
	node test/image/update.ts stick tamper net corrupt old moved flipped cuts

image-test-rollback: image-test-base
	node test/image/update.ts rollback

image-test: image-test-start image-test-rollback image-test-update image-test-provision ## Build two versions for amd64 and try them in QEMU: first starts, sticks, update, roll-back, damage (hours; figures in build/bench/image.json)

image-test-arm64: ## Build for arm64 and try it in QEMU: below UEFI, and below U-Boot as on a Raspberry Pi (slow)
	$(MAKE) --no-print-directory image ARCH=arm64 VERSION=1
	node test/image/arm64.ts
