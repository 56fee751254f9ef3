/** What may be done to a simulated server, or to one device of it; `off` ends it. */
export const faultNames = ['silent', 'late', 'deaf', 'bad:STATUS', 'gone', 'refuse', 'restart', 'off'] as const;
