import fc from 'fast-check';

// Before every test file where SLUICE_SEED is set: properties try the same again.
const seed = Number(process.env['SLUICE_SEED'] || Number.NaN);
if (!Number.isInteger(seed))
  throw new RangeError(`SLUICE_SEED is "${process.env['SLUICE_SEED']}"; a whole number is needed`);
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
