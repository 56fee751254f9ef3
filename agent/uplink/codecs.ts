import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { kafkajs } from './kafkajs.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/**
 * kafkajs brings gzip (by Node's zlib) and no zstd; the packages that add it compile natively, Node's zlib has it.
 * Off the main thread, so that a poll never waits for a compression. Registering again changes nothing.
 */
export function registerZstd(): void {
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
    compress: (encoder: { buffer: Buffer }): Promise<Buffer> => compress(encoder.buffer),
    decompress: (buffer: Buffer): Promise<Buffer> => decompress(buffer),
  });
}
