/** Node, its element; value, text and status by what the server's own language holds. */
export const expected: readonly (readonly [string, number | null, number | null, string | null, string])[] = [
  ['T.Boolean', null, 1, 'true', 'Good'],
  ['T.SByte', null, -7, null, 'Good'],
  ['T.Byte', null, 200, null, 'Good'],
  ['T.Int16', null, -1234, null, 'Good'],
  ['T.UInt16', null, 65_535, null, 'Good'],
  ['T.Int32', null, -2_147_483_648, null, 'Good'],
  ['T.UInt32', null, 4_294_967_295, null, 'Good'],
  ['T.Int64', null, -1_152_921_504_606_846_976, '-1152921504606846977', 'Good'],
  ['T.UInt64', null, 18_446_744_073_709_551_616, '18446744073709551615', 'Good'],
  ['T.Float', null, 230.4, null, 'Good'],
  ['T.Double', null, 0.1, null, 'Good'],
  ['T.String', null, null, 'Pump 1', 'Good'],
  ['T.DateTime', null, null, '2026-01-02T03:04:05.678Z', 'Good'],
  ['T.Guid', null, null, '09087E75-8E5E-499B-954F-F2A9603DB28A', 'Good'],
  ['T.ByteString', null, null, 'deadbeef', 'Good'],
  ['T.LocalizedText', null, null, 'Pumpe', 'Good'],
  ['T.QualifiedName', null, null, '1:Pump', 'Good'],
  ['T.NodeId', null, null, 'i=85', 'Good'],
  ['T.StatusCode', null, null, 'BadShutdown', 'Good'],
  ['T.NaN', null, null, null, 'BadSensorFailure'],
  ['A.Int32', 2, 3, null, 'Good'],
  ['A.String', 0, null, 'a', 'Good'],
  ['A.Int32', 3, null, null, 'BadIndexRangeNoData'],
  ['A.Int32', null, null, null, 'BadTypeMismatch'],
  ['S.Bad', null, null, null, 'BadSensorFailure'],
  ['S.Uncertain', null, 6.5, null, 'UncertainLastUsableValue'],
  ['Nowhere', null, null, null, 'BadNodeIdUnknown'],
];

export const points = Object.fromEntries(
  expected.map(([name, index], at) => [
    `p${at}`,
    { nodeId: `nsu=urn:site:plc;s=${name}`, ...(index !== null && { index: [index] }) },
  ]),
);
