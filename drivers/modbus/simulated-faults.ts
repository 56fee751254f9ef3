/** What may be done to a simulated device; `off` ends it. */
export const faultNames = ['silent', 'late', 'exception:N', 'reset', 'garbage', 'off'] as const;
