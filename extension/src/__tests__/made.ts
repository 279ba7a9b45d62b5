/** What tests are made of: rows, documents, cards, and a socket whose other end is the test. */
import { Socket } from '../model/socket';
import type { Backend, CardData, ClientMessage, Hello, Job, JobRow, Reading } from '../model/types';
import { PROTOCOL } from '../model/types';

export const reading = (value: number | null, unit = 'J', more: Partial<Reading> = {}): Reading => ({
  value,
  unit,
  source: value === null ? 'unavailable' : 'counter',
  method: value === null ? '' : 'NVML energy counter',
  scope: 'board',
  coverage: value === null ? null : 1,
  why: value === null ? 'no sensor' : '',
  ...more
});

export const row = (id: string, more: Partial<JobRow> = {}): JobRow => ({
  id,
  name: id,
  target: 'local',
  kind: 'cell',
  origin: 'In[1]',
  owner: '',
  own: true,
  state: 'running',
  reason: '',
  message: '',
  words: 'running',
  backend: 'cpu',
  hardware: 'cpu',
  nodes: 1,
  gpus: 0,
  submitted: 1000,
  started: 1001,
  ended: null,
  ahead: null,
  fraction: null,
  energy: null,
  ...more
});

export const job = (id: string, more: Partial<Job> = {}): Job => ({
  version: 1,
  id,
  name: 'digits',
  target: 'local',
  kind: 'cell',
  origin: 'In[1]',
  owner: '',
  own: true,
  state: 'running',
  reason: '',
  message: '',
  backend: 'cuda',
  backend_why: 'it is free',
  nodes: 1,
  procs: 1,
  gpus: 2,
  submitted: 1000,
  started: 1001,
  ended: null,
  ahead: null,
  progress: null,
  error: null,
  returned: [],
  unreturned: [],
  exit_code: null,
  signal: '',
  max_rss: null,
  cpu_seconds: null,
  python: '3.11',
  host: 'node-7',
  energy: null,
  ...more
});

/** A kind of hardware of which nothing is known but what is free. */
export const backend = (name: string, more: Partial<Backend> = {}): Backend => {
  const unknown = (unit: string) => ({ value: null, unit, source: '', seen: null, why: 'no sensor' });
  return {
    name,
    free: 3,
    total: 8,
    queued: 0,
    models: ['H100'],
    memory: 80e9,
    why: 'seen by NVML',
    source: 'the cluster',
    seen: 1000,
    celsius: unknown('°C'),
    slowed: unknown('devices'),
    headroom: unknown('W'),
    passed: '',
    ...more
  };
};

export const card = (more: Partial<CardData> = {}): CardData => ({
  ...job('digits-1a2b'),
  headline: 'running 4 s',
  updated: 1010,
  log: { lines: [{ rank: null, text: 'epoch 1' }], total: 1 },
  outputs: 0,
  notes: [],
  ...more
});

export const hello = (more: Partial<Hello> = {}): Hello => ({
  type: 'hello',
  protocol: PROTOCOL,
  version: '0.1.0.dev0',
  epoch: 'e1',
  may: { write: true, execute: true },
  ...more
});

/** The server's end of a socket. */
export class FarEnd {
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  readyState = 1;
  heard: ClientMessage[] = [];
  send(data: string): void {
    this.heard.push(JSON.parse(data));
  }
  close(): void {
    this.readyState = 3;
  }
  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  drop(): void {
    this.readyState = 3;
    this.onclose?.();
  }
}

/** A socket, and the far ends that it has opened. */
export function socketPair(): { socket: Socket; ends: FarEnd[] } {
  const ends: FarEnd[] = [];
  const open = () => {
    const end = new FarEnd();
    ends.push(end);
    return end as unknown as WebSocket;
  };
  return { socket: new Socket({ open, random: () => 1 }), ends };
}
