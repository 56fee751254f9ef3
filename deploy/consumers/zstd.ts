import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs from 'kafkajs';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** The gateway compresses with zstd unless told otherwise; kafkajs leaves that codec to its user, and Node has it. */
export function readZstd(): void {
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
    compress: (encoder: { buffer: Buffer }): Promise<Buffer> => compress(encoder.buffer),
    decompress: (buffer: Buffer): Promise<Buffer> => decompress(buffer),
  });
}
