import type { CommandGroup } from './command.ts';

export const pki: CommandGroup = {
  name: 'pki',
  about: `The certificates of OPC UA connections: the gateway's own, and those of servers that it trusts.
They lie in pki/ of the state directory. No server is trusted by itself: it is refused first, and named for \`trust\`.`,
  commands: {
    list: {
      summary: 'all certificates, and when they expire',
      load: async () => (await import('./pki-list.ts')).pkiList,
    },
    trust: {
      summary: 'believes a server that was refused, or an authority',
      load: async () => (await import('./pki-trust.ts')).pkiTrust,
    },
    renew: {
      summary: 'a new certificate of the gateway itself',
      load: async () => (await import('./pki-renew.ts')).pkiRenew,
    },
  },
};
