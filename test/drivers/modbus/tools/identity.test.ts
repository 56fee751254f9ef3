import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  objectIdentity,
  objectPage,
  profilesLike,
  shownText,
  sunSpecIdentity,
} from '../../../../drivers/modbus/tools/identity.ts';

test('whatever a device says of itself is taken without an exception, and shows no control characters', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const data = Buffer.from(bytes);
      const { objects } = objectPage(data);
      for (const text of [...objects.values(), shownText(data)])
        if (text !== null) expect(text).toMatch(/^[\x20-\x7e]+$/);
      objectIdentity(objects);
      sunSpecIdentity(Buffer.concat([Buffer.from('SunS\0\u0001'), data]));
    }),
  );
  expect(shownText(Buffer.from('a\u001b[2Jb\0c'))).toBe('a[2Jb');
});

test.each([
  ['ABB B23 112-100', ['abb-b23-b24']],
  ['Schneider Electric iEM3155', ['schneider-iem3155']],
  ['Eastron SDM630 Modbus', ['eastron-sdm630']],
  ['Somebody else', []],
])('%s finds its profile', (said, names) => {
  const known = [
    { name: 'abb-b23-b24', model: 'B23, B24' },
    { name: 'schneider-iem3155', model: 'iEM3155, iEM3255, iEM3355' },
    { name: 'eastron-sdm630', model: 'SDM630-Modbus' },
    { name: 'gavazzi-em24', model: 'EM24 Ethernet (EM24DINAV…E1)' },
  ];
  expect(profilesLike(said, known)).toEqual(names);
});
