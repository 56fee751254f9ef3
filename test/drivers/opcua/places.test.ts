import { describe, expect, it } from 'vitest';
import { parseBrowsePath } from '../../../drivers/opcua/browse-path.ts';
import { endpointUrl } from '../../../drivers/opcua/endpoint.ts';
import { nodeIdText, parseNodeId, resolveNodeId } from '../../../drivers/opcua/node-id.ts';

const namespaces = ['http://opcfoundation.org/UA/', 'urn:server', 'urn:site:plc'];

describe('a NodeId', () => {
  it.each([
    ['nsu=urn:site:plc;s=Tank.Level', 'ns=2;s=Tank.Level'],
    ['ns=7;i=42', 'ns=7;i=42'],
    ['i=2258', 'ns=0;i=2258'],
    ['s=a;b=c', 'ns=0;s=a;b=c'],
    ['ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a', 'ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a'],
    ['nsu=urn:gone;s=x', null],
  ])('%s is %s at the server', (text, found) => {
    const stated = parseNodeId(text);
    expect(stated && resolveNodeId(stated, namespaces)).toBe(found);
  });

  it.each(['Tank.Level', 'ns=2', 'ns=70000;i=1', 'i=abc', 'i=4294967296', 'g=1234', 'b=***', 'x=1', ''])(
    'is not %j',
    (text) => {
      expect(parseNodeId(text)).toBeUndefined();
    },
  );

  it('is written with its namespace by URI, and read back', () => {
    const odd = 'urn:a;b%c';
    const text = nodeIdText(1, 's=x', ['', odd]);
    expect(text).toBe('nsu=urn:a%3Bb%25c;s=x');
    expect(parseNodeId(text)?.uri).toBe(odd);
    expect(nodeIdText(0, 'i=2258', namespaces)).toBe('i=2258');
    expect(nodeIdText(9, 's=x', namespaces)).toBe('ns=9;s=x');
  });
});

describe('a browse path', () => {
  it('names its steps, a slash in a name among them', () => {
    expect(parseBrowsePath('/2:Tank/nsu=urn:site:plc;Level&/max/Plain')).toEqual([
      { uri: null, index: 2, name: 'Tank' },
      { uri: 'urn:site:plc', index: 0, name: 'Level/max' },
      { uri: null, index: 0, name: 'Plain' },
    ]);
  });

  it.each(['2:Tank', '/', '/2:', ''])('is not %j', (text) => {
    expect(parseBrowsePath(text)).toBeUndefined();
  });
});

it.each([
  ['opc.tcp://10.12.0.5', 'opc.tcp://10.12.0.5:4840'],
  ['opc.tcp://plc.site:4841/ua', 'opc.tcp://plc.site:4841/ua'],
  ['opc.tcp://[::1]:4841', 'opc.tcp://[::1]:4841'],
  ['opc.tcp://[::1]', 'opc.tcp://[::1]:4840'],
  ['http://10.12.0.5', undefined],
  ['opc.tcp://', undefined],
  ['opc.tcp://10.12.0.5:0', undefined],
])('the endpoint %s is %s', (url, whole) => {
  expect(endpointUrl(url)).toBe(whole);
});
