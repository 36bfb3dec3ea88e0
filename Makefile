# SPDX-License-Identifier: MIT
# Verbs over Meson and Ninja. What they do in detail stands in tools/.

BUILD = build
PREFIX = /usr/local
MESON_OPTIONS =
FUZZ_SECONDS = 5
KERNELS =

SANITIZE = -Dstatic=disabled -Db_lundef=false
FUZZ = -Dfuzz=enabled -Dtests=disabled -Dbench=disabled -Dstatic=disabled -Db_lundef=false \
	-Db_sanitize=address,undefined

# Packages before the build, the build before the tests.
.NOTPARALLEL:

.PHONY: build run watch test test-kernels test-windows test-browser test-packages bench lint fuzz sanitize windows \
	deb prefix install uninstall deps deps-run deps-test deps-kernels deps-bench deps-lint deps-windows deps-browser \
	deps-packages build-fuzz clean help

build:
	@tools/build $(BUILD) --prefix=$(PREFIX) $(MESON_OPTIONS)

run: deps-run build
	@tools/as-root $(BUILD)/consctl/consctl demo
	@printf '%s\n' '' 'What to try next:' \
		'  sudo $(BUILD)/consctl/consctl watch          every process that starts or ends (or: make watch)' \
		'  sudo $(BUILD)/consctl/consctl watch -j       the same as JSON lines' \
		'  sudo $(BUILD)/consctl/consctl tree           what runs now, and who started it' \
		'  $(BUILD)/consctl/consctl doctor              what this machine allows' \
		'  make help                             what else can be made'

watch: deps-run build
	@tools/as-root $(BUILD)/consctl/consctl watch

test: deps-test build build-fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/run-tests $(BUILD):unit $(BUILD):docs $(BUILD):examples $(BUILD):live \
		build-fuzz:fuzz

# KERNELS="6.1 5.10" boots fewer of them.
test-kernels: deps-kernels build
	@tests/kernels/run $(BUILD) $(KERNELS)

# The pages that consctl draws, in Chromium.
test-browser: deps-browser build
	@tools/run-tests $(BUILD):browser

bench: deps-bench build
	@tools/as-root bench/run $(BUILD)

lint: deps-lint build
	@tools/lint $(BUILD)

build-fuzz:
	@CC=clang tools/build build-fuzz $(FUZZ)

fuzz: FUZZ_SECONDS = 60
fuzz: deps-test build-fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/run-tests build-fuzz:fuzz

# Sanitizers look for mistakes, not for speed: a smaller storm will do.
sanitize: deps-test
	@CC=clang tools/build build-asan $(SANITIZE) -Db_sanitize=address,undefined
	@CC=clang tools/build build-tsan $(SANITIZE) -Db_sanitize=thread
	@PROCOBSRV_LIVE_STORM_COUNT=$${PROCOBSRV_LIVE_STORM_COUNT:-20000} \
		tools/run-tests build-asan:unit build-asan:examples build-asan:sanitized \
			build-tsan:unit build-tsan:examples build-tsan:sanitized

# Driver, library and control program for both architectures, each as a zip in build-windows.
windows: deps-windows
	@tools/windows-package build-windows

# Driver, library and control program under Wine.
test-windows: windows
	@ninja -C build-windows/x86_64
	@ninja -C build-windows/i686
	@tools/run-tests build-windows/x86_64:unit build-windows/x86_64:wine build-windows/i686:unit \
		build-windows/i686:wine
	@echo 'i686: built, its images checked, not run'

# Debian's packages of this checkout; DEB_BUILD_OPTIONS= runs the unit tests, too.
deb: deps-packages
	@DEB_BUILD_OPTIONS="$${DEB_BUILD_OPTIONS-nocheck}" tools/deb-package build-deb

# Installed, upgraded in a storm and purged, in a chroot.
test-packages: deps-packages build
	@tools/as-root tests/packages/run $(BUILD)

# A directory that was configured for another prefix takes this one.
prefix:
	@if [ "$(origin PREFIX)" != file ] && [ -e $(BUILD)/build.ninja ]; then meson configure $(BUILD) --prefix=$(PREFIX); fi

install: prefix build
	@meson install -C $(BUILD) --no-rebuild
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

uninstall:
	@ninja -C $(BUILD) uninstall

deps: deps-run deps-test deps-kernels deps-bench deps-lint deps-windows deps-browser deps-packages

deps-run:
	@tools/install-deps run

deps-test:
	@tools/install-deps test

deps-kernels:
	@tools/install-deps kernels

deps-bench:
	@tools/install-deps bench

deps-lint:
	@tools/install-deps lint

deps-browser:
	@tools/install-deps browser

deps-packages:
	@tools/install-deps packages

deps-windows:
	@tools/install-deps windows

clean:
	rm -rf $(BUILD) build-fuzz build-asan build-tsan build-windows build-deb

help:
	@printf '%s\n' \
		'make            build into $(BUILD)/' \
		'make run        build, then show processes that start and end' \
		'make watch      build, then report processes until Ctrl-C' \
		'make test       all tests: unit, examples, live (as root), a moment of each fuzzer' \
		'make test-kernels  the live tests on Linux 5.10, 6.1 and 6.12, in QEMU' \
		'make test-browser  the pages of consctl timeline, in Chromium' \
		'make test-windows  driver, library and consctl for Windows, under Wine' \
		'make bench      figures, side by side with forkstat, bpftrace and extrace' \
		'make lint       format, static analysis, man pages, schema, scripts' \
		'make fuzz       a minute of each fuzzer' \
		'make sanitize   the tests under AddressSanitizer, UBSan and ThreadSanitizer' \
		'make windows    driver, library and consctl for Windows, as zips in build-windows/' \
		'make deb        packages for Debian, in build-deb/' \
		'make test-packages  these packages in a chroot: install, upgrade in a storm, purge' \
		'make install    into PREFIX ($(PREFIX)); DESTDIR is honoured' \
		'make deps       install the Debian packages that are needed for all of this' \
		'make clean      remove what was built'
