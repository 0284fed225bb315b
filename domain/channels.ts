/** How a message reaches a person. */
export const CHANNELS = ['sms', 'whatsapp', 'rcs', 'email'] as const;
export type Channel = (typeof CHANNELS)[number];

/** What an address of this channel is: a phone in E.164 or an e-mail address. */
export function addressKind(channel: Channel): 'phone' | 'email' {
  return channel === 'email' ? 'email' : 'phone';
}
