import { streams } from '../reading.ts';
import { nameOf, quoted, type Problems } from './problems.ts';
import { child, items, properties, valueOf, type Node } from './source.ts';

const destinations = [...streams, 'gateway-status'] as const;

/** Looks at the file, not at the settings: there are none yet while anything else in `kafka` is wrong. */
export function tellKafka(kafka: Node, problems: Problems): void {
  tellBrokers(child(kafka, 'brokers'), problems);
  tellTopics(child(kafka, 'topics'), problems);
  const [tls, sasl, topics] = ['tls', 'sasl', 'topics'].map((key) => child(kafka, key));
  if (sasl?.type === 'object' && (tls === undefined || valueOf(tls) === false)) {
    problems.atObject('warning', sasl, 'sasl without tls sends the password in clear; add "tls": true');
  }
  const [cert, key] = [child(tls, 'cert'), child(tls, 'key')];
  if (tls !== undefined && (cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'cert' : 'key';
    problems.atObject('error', tls, `${missing} is missing; allowed: cert and key together, or neither`);
  }
  const topicOf = (stream: string): unknown => {
    const stated = child(topics, stream);
    return stated === undefined ? stream : valueOf(stated);
  };
  for (const compacted of ['asset-metadata', 'gateway-status']) {
    const other = destinations.find((stream) => stream !== compacted && topicOf(stream) === topicOf(compacted));
    const place = child(topics, compacted) ?? child(topics, other ?? '');
    if (other === undefined || place === undefined) continue;
    problems.atValue(
      'error',
      place,
      `${nameOf(place)} is ${quoted(place.value)}; ${compacted} is compacted and would delete the records of ${other}; allowed: a topic of its own`,
    );
  }
}

function tellBrokers(brokers: Node | undefined, problems: Problems): void {
  const first = new Map<string, Node>();
  for (const node of brokers === undefined ? [] : items(brokers)) {
    const value = valueOf(node);
    if (typeof value !== 'string') continue;
    const other = first.get(value.toLowerCase());
    if (other === undefined) first.set(value.toLowerCase(), node);
    else
      problems.atValue(
        'warning',
        node,
        `${nameOf(node)} is ${quoted(value)}, the same as ${nameOf(other)}; it helps nobody when that one is away`,
      );
  }
}

/** Kafka counts `.` and `_` in the names of its figures as one, and refuses to make a topic that differs only in them. */
function tellTopics(topics: Node | undefined, problems: Problems): void {
  const first = new Map<string, { name: string; node: Node }>();
  for (const { value: node } of topics?.type === 'object' ? properties(topics) : []) {
    const value = valueOf(node);
    if (typeof value !== 'string') continue;
    const tell = (message: string): void =>
      problems.atValue('warning', node, `${nameOf(node)} is ${quoted(value)}; ${message}`);
    if (value.startsWith('__')) tell('topics that begin with __ are those of Kafka itself');
    const alike = first.get(value.replaceAll('.', '_'));
    if (alike === undefined) first.set(value.replaceAll('.', '_'), { name: value, node });
    else if (alike.name !== value)
      tell(`for Kafka it collides with ${quoted(alike.name)} of ${nameOf(alike.node)}, as . and _ count as one`);
  }
}
