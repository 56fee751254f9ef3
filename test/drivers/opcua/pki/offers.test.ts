import { describe, expect, it } from 'vitest';
import { offerOf, policyUriOf, userOf } from '../../../../drivers/opcua/pki/offers.ts';
import type { Offer, UserOffer } from '../../../../drivers/opcua/pki/offers.ts';
import type { SecurityMode, SecurityPolicy } from '../../../../drivers/opcua/plan.ts';

const offer = (
  mode: SecurityMode,
  policy: SecurityPolicy,
  users: UserOffer[] = [],
  url = 'opc.tcp://plc:4840',
): Offer => ({
  url,
  mode,
  policyUri: policyUriOf(policy),
  applicationUri: 'urn:plc',
  certificate: null,
  users,
});
const named = (policyUri: string, policyId = policyUri): UserOffer => ({ policyId, type: 'userName', policyUri });
const old = 'http://opcfoundation.org/UA/SecurityPolicy#Basic256';

describe('what a server offers', () => {
  it('is taken by mode and policy, at the path that is configured', () => {
    const offers = [
      offer('Sign', 'Basic256Sha256'),
      offer('SignAndEncrypt', 'Basic256Sha256', [], 'opc.tcp://inside:4840/a'),
      offer('SignAndEncrypt', 'Basic256Sha256', [], 'opc.tcp://inside:4840/b/'),
    ];
    const wanted = (url: string) => offerOf(offers, 'SignAndEncrypt', 'Basic256Sha256', url);
    expect(wanted('opc.tcp://10.0.0.5:14840/b')).toBe(offers[2]);
    expect(wanted('opc.tcp://10.0.0.5:14840')).toBe(offers[1]);
  });

  it('is listed where it is not what is wanted, old policies too, and no word of it steers a terminal', () => {
    const strange = { ...offer('Sign', 'None'), policyUri: '\u001B[2Jmine' };
    const text = offerOf(
      [offer('None', 'None'), { ...offer('Sign', 'None'), policyUri: old }, strange],
      'SignAndEncrypt',
      'Basic256Sha256',
      'opc.tcp://plc:4840',
    );
    expect(text).toBe(
      'the server does not offer SignAndEncrypt with Basic256Sha256; it offers None; Sign with Basic256, ??2Jmine',
    );
    expect(offerOf([], 'None', 'None', 'opc.tcp://plc')).toContain('it offers nothing');
  });
});

describe('how a user is told to a server', () => {
  const none = policyUriOf('None');
  const chosen = (mode: SecurityMode, policy: SecurityPolicy, ...users: UserOffer[]) =>
    userOf(offer(mode, policy, users), 'userName');

  it('is the strongest way, in whatever order they come', () => {
    const [clear, weak, good] = [named(none), named(old), named(policyUriOf('Aes256_Sha256_RsaPss'))];
    expect(chosen('None', 'None', clear, good, weak)).toMatchObject(good);
    expect(chosen('SignAndEncrypt', 'Basic256Sha256', clear, weak)).toMatchObject(weak);
    expect(chosen('Sign', 'Basic256Sha256', named(''), clear)).toMatchObject({
      policyUri: '',
      effective: 'Basic256Sha256',
    });
    expect(chosen('None', 'None', clear)).toMatchObject({ effective: 'None' });
    expect(chosen('None', 'None', named(''), good)).toMatchObject(good);
  });

  it('is told when the server takes no such users', () => {
    expect(chosen('None', 'None', { policyId: 'a', type: 'anonymous', policyUri: '' })).toBe(
      'the server takes no user names here; it takes anonymous users',
    );
    expect(chosen('None', 'None')).toContain('it takes nobody');
  });
});
