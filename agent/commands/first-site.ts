/** What `sluice init` asks for; texts as they were typed. */
export interface FirstAnswers {
  readonly gateway: string;
  readonly host: string;
  readonly unitId: string;
  /** Several with commas between. */
  readonly brokers: string;
}

/** A configuration to begin with: one meter, two points, and a comment on everything that a site is likely to change. Lines behind `//` are right, too. */
export function firstSite({ gateway, host, unitId, brokers }: FirstAnswers): string {
  const json = JSON.stringify;
  const unit = /^-?\d+(\.\d+)?$/.test(unitId) ? unitId : json(unitId);
  const list = brokers.split(',').map((broker) => json(broker.trim()));
  return `// One gateway. \`sluice check\` looks at this file, \`sluice read\` asks the meters once, \`sluice run\` is the daemon.
// Comments and trailing commas are allowed. An editor that knows JSON Schema completes and explains every key.
{
  "$schema": "./sluice.schema.json",
  "version": 1,

  // Names this installation in every record: unique in the fleet, and never changed afterwards.
  "gateway": ${json(gateway)},

  // Where it stands. The time zone is needed for what is read once an hour or less often.
  // "site": { "id": "PS12", "name": "Pump station 12", "timezone": "Europe/Madrid" },

  // One for each link: a meter with a network port, or a gateway to a serial line. Its devices are asked one after the other.
  "connections": {
    "panel": { "driver": "modbus-tcp", "host": ${json(host)}, "port": 502, "timeout": "1s" },
    // A PLC that speaks OPC UA. Its nodes, as points ready to paste: sluice browse opc.tcp://192.168.1.20:4840 --points
    // "plc": { "driver": "opcua", "endpoint": "opc.tcp://192.168.1.20:4840", "securityMode": "SignAndEncrypt" },
  },

  "devices": [
    {
      "id": "meter-1",
      "connection": "panel",
      "unitId": ${unit},
      // "byteOrder": "CDAB",
      // Name, address, type and scale come from the meter's manual. Two examples: compare what \`sluice read\` shows with the display.
      "points": [
        // A total. Read every 15 min: at :00, :15, :30, :45.
        { "name": "energy", "kind": "counter", "unit": "kWh", "address": 0, "type": "uint32", "scale": 0.01 },
        // A momentary value.
        { "name": "power", "unit": "W", "address": 2, "type": "int32", "every": "10s" },
      ],
    },
    // { "id": "plc-1", "connection": "plc", "points": [{ "name": "level", "unit": "m", "nodeId": "nsu=urn:site:plc;s=Tank.Level" }] },
  ],

  // Every reading is kept below this folder until all brokers have it.
  // "stateDir": "/var/lib/sluice",
  // "buffer": { "maxSize": "2GB" },

  "uplink": {
    "kafka": {
      "brokers": [${list.join(', ')}],
      // Encrypted, and with a password that stands in a file of its own:
      // "tls": true,
      // "sasl": { "mechanism": "SCRAM-SHA-512", "username": "sluice", "password": "\${file:/etc/sluice/secrets/kafka}" },
    },
  },

  // Health and figures, for this machine only. \`sluice status\` asks here.
  "status": { "listen": "127.0.0.1:8686" },
}
`;
}
