import fc from 'fast-check';

// Before every test file where SLUICE_SEED is set: properties try the same again.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env['SLUICE_SEED']) });
