/** What the supervisor uses of the systemd-notify package, which brings no types. */
declare module 'systemd-notify' {
  export default function notify(options: { readonly ready: true; readonly status: string }): Promise<void>;
}
