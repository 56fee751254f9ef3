import { nearest } from './nearest.ts';
import { list, spellings, usual } from './ucum.ts';

/** The unit that was probably meant by one that is not known. */
export function nearestUnit(unit: string): string | undefined {
  const common = [
    ...spellings.keys(),
    ...Object.keys(usual),
    ...list('kW kV mA mV kPa hPa mbar m3 m3/h L/s L/min mg/L uS/cm mS/cm'),
  ];
  const wanted = unit.trim();
  return (
    common.find((word) => word.toLowerCase() === wanted.toLowerCase()) ??
    nearest(
      wanted,
      common.filter((word) => word.length > 2),
    )
  );
}
