/**
 * What people write who come from other programs, other manuals or other protocols, by what it is called here. Words are compared without
 * case and without `-`, `_`, `.` and blanks. Read only where the word is wrong, so a word may stand at several names.
 */

/** Keys. Which of the names is meant follows from the place: only one that is a key there. */
export const keys: Readonly<Record<string, string>> = {
  unitId:
    'slave slaveId slaveAddress unit unitAddress station stationId stationAddress serverId modbusId modbusAddress deviceAddress nodeId rtuAddress',
  host: 'ip ipAddress hostname hostAddress server serverAddress address addr url uri endpoint target controller',
  port: 'tcpPort ipPort portNumber',
  driver: 'protocol plugin type transport adapter mode',
  every:
    'interval period pollInterval pollingInterval pollPeriod pollRate scanRate scanInterval scanTime samplingInterval sampleRate cycle cycleTime frequency schedule rate refresh',
  address:
    'register registerAddress registerNumber addr reg offset start startAddress startRegister startingAddress index location',
  reference: 'modiconAddress modbusReference ref plcAddress',
  type: 'dataType valueType format registerFormat encoding kind',
  byteOrder: 'endian endianness endianess wordOrder wordSwap byteSwap swap order bitOrder',
  table: 'function functionCode fc registerType objectType area registers memory',
  scale: 'multiplier factor gain ratio coefficient scaling scaleFactor multiply divisor slope resolution',
  bit: 'bitIndex bitPosition bitNumber bitOffset bitmask mask',
  length: 'stringLength strLen charCount quantity count size registerCount',
  invalid: 'nan na notAvailable noValue nullValue sentinel badValue errorValue ignore',
  enum: 'mapping map values states enumeration valueMap lookup options',
  scaleFrom: 'sf scaleFactorRegister scaleRegister scaleFactorPoint exponentRegister',
  factorFrom: 'factorRegister multiplierRegister ratioFrom ratioRegister ctRatio vtRatio',
  offset: 'bias shift intercept addend',
  unit: 'units uom engineeringUnit engineeringUnits eu unitOfMeasure unitOfMeasurement measure',
  name: 'id tag tagName key point pointName field metric measurement title label',
  id: 'name deviceId deviceName device slaveName tag key',
  kind: 'metricType class category valueKind',
  points:
    'tags metrics registers values measurements fields variables items dataPoints signals channels sensors metric field',
  devices: 'meters slaves sensors equipment assets',
  connections: 'links channels lines buses controllers inputs sources connection',
  connection: 'link channel line bus controller via',
  profile: 'template deviceType deviceProfile map registerMap library',
  timeout: 'responseTimeout readTimeout requestTimeout',
  retries: 'retry attempts maxRetries retryCount',
  pause: 'delay pauseAfterRequest requestDelay pauseBetweenRequests silence gap wait',
  maxRegisters: 'maxBatchSize batchSize blockSize maxBlock maxLength maxQuantity optimizationMaxRegisters',
  maxGap: 'gapLimit allowedGap maxHole',
  enabled: 'enable active on disabled',
  description: 'comment comments note notes remark text',
  labels: 'tags attributes annotations',
  min: 'minimum low lower lowerLimit minValue',
  max: 'maximum high upper upperLimit maxValue',
  brokers: 'broker bootstrapServers bootstrapServer bootstrap servers hosts kafkaBrokers addresses endpoints',
  clientId: 'client',
  tls: 'ssl security secure encryption useTls',
  sasl: 'auth authentication credentials',
  mechanism: 'saslMechanism method algorithm',
  username: 'user login userName name account',
  password: 'pass passwd pwd secret passphrase',
  ca: 'caFile caCert caCertificate rootCa trust tlsCa sslCa',
  cert: 'certificate certFile clientCert tlsCert crt',
  key: 'keyFile privateKey clientKey tlsKey',
  topics: 'topic topicNames',
  compression: 'compressionCodec codec compress',
  uplink: 'output outputs sink sinks destination publisher north',
  kafka: 'broker brokers cluster',
  path: 'dir directory folder file filename location destination device serialPort tty line comPort serialDevice port',
  baudRate: 'baud speed bitRate bps',
  parity: 'parityBit',
  stopBits: 'stop stopBit',
  stateDir: 'dataDir dataDirectory stateFolder workDir state data',
  maxSize: 'size limit quota maxBytes bufferSize capacity',
  commitEvery: 'flushInterval syncInterval commitInterval flush fsync',
  whenFull: 'overflow policy onFull strategy',
  listen: 'address bind bindAddress port host',
  status: 'http web api health healthcheck metrics',
  source: 'ntp timeSource clockSource',
  gateway: 'gatewayId id name instance nodeName agent',
  site: 'plant station location area',
  timezone: 'tz timeZone zone',
};

/** Words of lists. */
export const words: Readonly<Record<string, string>> = {
  float32: 'float real single f32 ieee754 floatingPoint float32IEEE',
  float64: 'double lreal f64 doublePrecision',
  float16: 'half f16',
  int16: 'int short i16 s16 signed integer sint16 signed16 signedInt',
  uint16: 'uint word ushort u16 unsigned unsignedShort unsigned16 unsignedInt',
  int32: 'long dint i32 s32 sint32 signed32 signedLong',
  uint32: 'ulong dword udint u32 unsignedLong unsigned32 doubleWord',
  int64: 'lint i64 s64 longlong signed64',
  uint64: 'qword ulint u64 lword unsigned64 ulonglong',
  bit: 'bool boolean',
  string: 'str char ascii text',
  int48: 'i48 s48',
  uint48: 'u48',
  bcd16: 'bcd bcd4 packedBcd',
  bcd32: 'bcd8',
  mod10k32: 'mod10k mod10000 m10k',
  uint8l: 'uint8 byte u8 lowByte',
  uint8h: 'uint8 byte u8 highByte',
  int8l: 'int8 sint8 i8',
  int8h: 'int8 sint8 i8',
  ABCD: 'big bigEndian be msb msbFirst network 1234 motorola AB none no',
  DCBA: 'little littleEndian le lsb lsbFirst 4321 intel',
  CDAB: 'littleSwap bigEndianWordSwap wordSwap wordSwapped swapWords swap 3412 midLittle leastSignificantWordFirst lowWordFirst swapped',
  BADC: 'bigSwap byteSwap byteSwapped swapBytes 2143 BA midBig bigEndianByteSwap',
  holding:
    'holdingRegister holdingRegisters holdings hr 4x 4xxxx 4xxxxx 40001 fc3 fc03 03 readHoldingRegisters output 3 4',
  input: 'inputRegister inputRegisters inputs ir 3x 3xxxx 3xxxxx 30001 fc4 fc04 04 readInputRegisters analogInput 3 4',
  coil: 'coils co 0x 00001 fc1 fc01 01 readCoils digitalOutput relay 1',
  discrete: 'discreteInput discreteInputs di 1x 10001 fc2 fc02 02 readDiscreteInputs digitalInput 2',
  counter:
    'total totals totalizer totaliser meter accumulator accumulated cumulative sum energy count totalIncreasing index',
  gauge: 'analog analogue measurement momentary instantaneous instant actual float number numeric value current',
  state: 'status digital binary bool boolean enum enumeration alarm bit discrete',
  text: 'string str char',
  'modbus-tcp': 'modbus tcp modbusTcpIp modbusIp modbusOverTcp mbtcp modbusEthernet modbusClient',
  'modbus-rtu': 'rtu modbusSerial serial rs485 modbusRs485 modbusAscii',
  'modbus-rtu-over-tcp': 'rtuOverTcp rtuTcp modbusRtuTcp modbusTcpRtu modbusRtuEncapsulated',
  even: 'e',
  odd: 'o',
  'SCRAM-SHA-512': 'scram scram512 sha512',
  'SCRAM-SHA-256': 'scram256 sha256',
  PLAIN: 'plaintext saslPlain',
  gzip: 'gz deflate zlib',
  zstd: 'zstandard zst',
  none: 'n off no uncompressed null disabled nothing',
  auto: 'ntp ntpd automatic default system systemd os',
  timesyncd: 'systemdTimesyncd',
  stop: 'block refuse reject pause fail',
  json: 'flatJson jsonFlat plain text',
};

const fold = (word: string): string => word.toLowerCase().replaceAll(/[-_.\s/()]/g, '');

const inverse = (table: Readonly<Record<string, string>>): ReadonlyMap<string, readonly string[]> => {
  const pairs = Object.entries(table).flatMap(([name, all]) =>
    all.split(' ').map((word) => ({ name, word: fold(word) })),
  );
  return new Map(
    [...Map.groupBy(pairs, ({ word }) => word)].map(([word, found]) => [word, found.map(({ name }) => name)]),
  );
};

const keysBy = inverse(keys);
const wordsBy = inverse(words);

/** The keys that a foreign one may stand for, likeliest first. */
export function keyHabits(word: string): readonly string[] {
  return keysBy.get(fold(word)) ?? [];
}

/** The words that a foreign one may stand for, likeliest first. */
export function wordHabits(word: string): readonly string[] {
  return wordsBy.get(fold(word)) ?? [];
}
