import { durationText } from '../config/grammar.ts';
import type { Observation } from '../reading.ts';

type Said = Pick<Observation, 'status' | 'quality' | 'exceptionCode'>;

/** What a status means to whoever stands in front of the meter. Modbus: the exceptions of the specification, section 7. */
const words: Readonly<Record<string, string>> = {
  BadNotConnected: 'no connection',
  BadNoCommunication: 'not asked, because the device did not answer before',
  BadCommunicationError: 'a damaged answer',
  BadSensorFailure: 'the device marks the value as invalid',
  BadDecodingError: 'these words are no such number, or a point of its scaleFrom or factorFrom is not to be used',
  BadNodeIdUnknown: 'the server has no such node; sluice browse shows what there is',
  BadNodeIdInvalid: 'the server has no such node; sluice browse shows what there is',
  BadIndexRangeNoData: 'no array, or one without this element',
  BadTypeMismatch: 'an array, which needs `index`, or a structure',
  BadUserAccessDenied: 'this user may not read it',
  BadNotReadable: 'the server lets nobody read it',
  BadInternalError: 'a fault of sluice',
  BadNoData: 'nobody asked',
  UncertainEngineeringUnitsExceeded: 'outside min…max',
  UncertainSubNormal: 'a number that "enum" does not name',
  UncertainSensorNotAccurate: 'not plausible',
};

const exceptions: Readonly<Record<number, string>> = {
  1: 'the device does not know this function: wrong `table`? (holding or input)',
  2: 'illegal address, the device has nothing there',
  3: 'illegal value, e.g. more registers than it gives at once',
  4: 'the device has failed',
  5: 'the device needs more time',
  6: 'the device is busy',
  8: 'the memory of the device is damaged',
  10: 'the gateway in between has no path to the device',
  11: 'the gateway in between got no answer from the device',
};

/** `good`, or `bad: no answer within 1s (BadTimeout)`. `timeoutMs`: for how long an answer was waited; null: the driver does not say. */
export function plainStatus({ status, quality, exceptionCode }: Said, timeoutMs: number | null): string {
  if (status === 'Good') return 'good';
  if (exceptionCode !== null) {
    const code = exceptionCode.toString(16).toUpperCase().padStart(2, '0');
    return `${quality}: exception ${code}: ${exceptions[exceptionCode] ?? 'not in the specification'} (${status})`;
  }
  const within = timeoutMs === null ? 'in time' : `within ${durationText(timeoutMs)}`;
  const said = status === 'BadTimeout' ? `no answer ${within}` : words[status];
  return said === undefined ? `${quality}: ${status}` : `${quality}: ${said} (${status})`;
}
