/** The part of the package raw-socket that is used here; it brings no types. */
declare module 'raw-socket' {
  import type { EventEmitter } from 'node:events';

  export interface Socket extends EventEmitter<{ message: [Buffer, string]; error: [Error]; close: [] }> {
    send(
      buffer: Buffer,
      offset: number,
      length: number,
      address: string,
      sent: (error: Error | null, bytes: number) => void,
    ): this;
    setOption(level: number, option: number, value: Buffer, length: number): void;
    setOption(level: number, option: number, value: number): void;
    close(): this;
  }

  interface RawSocket {
    createSocket(options: { readonly protocol: number; readonly addressFamily?: number }): Socket;
    createChecksum(...buffers: Buffer[]): number;
    readonly Protocol: { readonly ICMP: number };
    readonly SocketLevel: { readonly SOL_SOCKET: number; readonly IPPROTO_IP: number };
    readonly SocketOption: { readonly SO_BINDTODEVICE: number; readonly IP_TTL: number };
  }
  const rawSocket: RawSocket;
  export default rawSocket;
}
