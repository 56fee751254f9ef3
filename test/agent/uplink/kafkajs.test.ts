import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeRecord } from '../../../agent/uplink/kafkajs-record.ts';
import { kafkajs } from '../../../agent/uplink/kafkajs.ts';

const require = createRequire(import.meta.url);

/** A module of kafkajs as it was published, with modules of its own. */
function published(path: string): unknown {
  const place = require.resolve(path);
  const mended = require.cache[place];
  Reflect.deleteProperty(require.cache, place);
  try {
    return require(place);
  } finally {
    require.cache[place] = mended;
  }
}

const text = fc.string({ unit: 'binary', maxLength: 400 });
const integer = fc.oneof(fc.nat(), fc.maxSafeInteger().map(Math.abs), fc.constantFrom(0, 63, 64, 8191, 8192, 2 ** 31));

describe('kafkajs as it is used here', () => {
  it('encodes every record to the bytes that the published one gives', () => {
    const encode = published('kafkajs/src/protocol/recordBatch/record/v0') as (fields: object) => { buffer: Buffer };
    fc.assert(
      fc.property(fc.nat(), integer, text, fc.option(text), (offsetDelta, timestampDelta, key, value) => {
        // Beyond 2^52 kafkajs rounds no less than we would: no batch spans so much time.
        const fields = { offsetDelta: offsetDelta % 2 ** 30, timestampDelta: timestampDelta % 2 ** 52, key, value };
        expect(encodeRecord(fields)?.buffer).toEqual(encode(fields).buffer);
      }),
    );
  });

  it('leaves bytes and headers to the published one', () => {
    const fields = { offsetDelta: 0, timestampDelta: 0, key: 'k', value: 'v' };
    expect(encodeRecord({ ...fields, headers: { a: 'b' } })).toBeUndefined();
    expect(encodeRecord({ ...fields, key: null })).toBeUndefined();
    expect(encodeRecord({ ...fields, value: Buffer.from('v') })).toBeUndefined();
  });

  it('groups messages by partition as the published one does, in their order', () => {
    const path = 'kafkajs/src/producer/groupMessagesPerPartition';
    const request = {
      topic: 't',
      partitionMetadata: [{}, {}, {}],
      messages: Array.from({ length: 50 }, (_, at) => ({ key: `${(at * 7) % 11}`, value: `${at}` })),
      partitioner: ({ message }: { message: { key: string } }) => Number(message.key) % 3,
    };
    const ours = require(path) as (given: object) => unknown;
    const theirs = published(path) as (given: object) => unknown;
    expect(ours(request)).toEqual(theirs(request));
    expect(ours({ ...request, partitionMetadata: [] })).toEqual({});
  });

  it('has both replaced in what a producer sends with', () => {
    expect(kafkajs.Kafka).toBe((require('kafkajs') as typeof kafkajs).Kafka);
    for (const path of ['producer/groupMessagesPerPartition', 'protocol/recordBatch/record/v0']) {
      const place = `kafkajs/src/${path}`;
      expect(String(require(place))).not.toBe(String(published(place)));
    }
  });
});
