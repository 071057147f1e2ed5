/**
 * What a test machine's board is made of, by architecture and firmware; everything else of it is in vm.ts.
 *
 *   pc           q35, OVMF with Secure Boot in set-up mode, TPM 2.0
 *   arm          `virt`, AAVMF with Secure Boot in set-up mode. No TPM: Debian's kernel for arm64 has no driver for
 *                the one that QEMU offers there, so this is also a machine whose data opens by a key file.
 *   arm-u-boot   `virt`, U-Boot as on a Raspberry Pi; it verifies nothing and keeps no variables
 */
export const boardNames = ['pc', 'arm', 'arm-u-boot'] as const;
export type BoardName = (typeof boardNames)[number];

export interface Board {
  readonly arch: 'amd64' | 'arm64';
  /** As EFI names the architecture. */
  readonly efi: 'x64' | 'aa64';
  /** QEMU and the board, its firmware's variables in the folder `at`. */
  readonly emulator: (at: string) => string;
  /** Empty variables of the firmware, where it keeps any. */
  readonly variables: string | undefined;
  readonly tpm: boolean;
  /** The two serial ports as the kernel names them. */
  readonly console: string;
  readonly shell: string;
}

const flash = (unit: number, file: string, more = ''): string =>
  `-drive if=pflash,format=raw,unit=${unit},file=${file}${more}`;

const virt = 'qemu-system-aarch64 -machine virt,gic-version=3,accel=tcg -cpu cortex-a72';

export const boards: Readonly<Record<BoardName, Board>> = {
  pc: {
    arch: 'amd64',
    efi: 'x64',
    emulator: (at) =>
      `qemu-system-x86_64 -machine q35,smm=on,accel=tcg -cpu Westmere -vga none
       -global driver=cfi.pflash01,property=secure,value=on
       ${flash(0, '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd', ',readonly=on')} ${flash(1, `${at}/vars.fd`)}`,
    variables: '/usr/share/OVMF/OVMF_VARS_4M.fd',
    tpm: true,
    console: 'ttyS0',
    shell: 'ttyS1',
  },
  arm: {
    arch: 'arm64',
    efi: 'aa64',
    emulator: (at) =>
      `${virt} ${flash(0, '/usr/share/AAVMF/AAVMF_CODE.secboot.fd', ',readonly=on')} ${flash(1, `${at}/vars.fd`)}`,
    variables: '/usr/share/AAVMF/AAVMF_VARS.fd',
    tpm: false,
    console: 'ttyAMA0',
    shell: 'ttyAMA1',
  },
  'arm-u-boot': {
    arch: 'arm64',
    efi: 'aa64',
    emulator: () => `${virt} -bios /usr/lib/u-boot/qemu_arm64/u-boot.bin`,
    variables: undefined,
    tpm: false,
    console: 'ttyAMA0',
    shell: 'ttyAMA1',
  },
};
