/** @jest-environment jsdom */
import { BackendRow } from '../panel/backendrow';
import { seenOf } from '../panel/facts';
import { BackendsSection } from '../panel/backends';
import type { Rest } from '../model/rest';
import { type Backends, type Device, PROTOCOL, type Telemetry } from '../model/types';
import { Workbench } from '../model/workbench';
import { english as trans } from '../model/words';
import { backend, hello, reading, socketPair } from './made';

const device = (id: string, more: Partial<Device> = {}): Device => ({
  id,
  kind: 'gpu',
  name: 'H100',
  index: 0,
  power: reading(400, 'W'),
  celsius: { core: 60 },
  limit: 700,
  slowed: [],
  ...more
});

const telemetry = (devices: Device[], time = 1000): Telemetry => ({
  target: 'lab',
  time,
  where: 'Prometheus at x',
  devices,
  unavailable: {},
  own: []
});

const facts = (...args: Parameters<typeof seenOf>) =>
  Object.fromEntries(seenOf(...args).facts.map(fact => [fact.label, `${fact.value} ${fact.note}`.trim()]));

describe('what is known of a backend', () => {
  it('gives each number with its source and age', () => {
    const cuda = backend('cuda', {
      queued: 2,
      slowed: { value: 1, unit: 'devices', source: 'DCGM', seen: 990, why: '' },
      headroom: { value: 412.4, unit: 'W', source: 'DCGM', seen: 940, why: 'of 7 of 8 devices' }
    });
    const told = facts(cuda, [cuda], telemetry([device('a'), device('b', { celsius: { core: 71 } })], 997), 1000, 1000, trans);
    expect(told).toEqual({
      Free: '3 of 8 the cluster, now',
      Waiting: '2 the cluster, now',
      Power: '800 W counted, NVML energy counter, 3.0 s ago',
      Hottest: '71 °C Prometheus at x, 3.0 s ago',
      'Slowed by heat': '1 DCGM, 10 s ago',
      'Power headroom': '412 W DCGM, of 7 of 8 devices, 1 min ago'
    });
  });

  it('says a dash and why for what is not known, never zero', () => {
    const cuda = backend('cuda', { free: null, queued: null, why: 'nodes may not be listed' });
    const told = facts(cuda, [cuda], null, 1000, 1000, trans);
    expect(told.Free).toBe('— of 8 the cluster, now, nodes may not be listed');
    expect(told.Waiting).toBe('—');
    expect(told.Power).toBe('—');
    expect(told.Hottest).toBe('— no sensor');
    expect(told['Power headroom']).toBe('— no sensor');
  });

  it('takes heat of what the choice knows where no device tells of itself', () => {
    const hot = backend('rocm', {
      celsius: { value: 91, unit: '°C', source: 'AMD', seen: 990, why: '' },
      slowed: { value: 1, unit: 'devices', source: 'AMD', seen: 990, why: '' }
    });
    const seen = seenOf(hot, [hot], telemetry([]), 1000, 1000, trans);
    expect([seen.celsius, seen.slowed, seen.watts]).toEqual([91, true, null]);
    // What the devices say of themselves now wins over what was so in the last minutes.
    const now = seenOf(hot, [hot], telemetry([device('a')]), 1000, 1000, trans);
    expect([now.celsius, now.slowed]).toEqual([60, false]);
  });
});

describe('a row', () => {
  it('opens by its button, and stays what it is when numbers change', () => {
    const row = new BackendRow('cuda', trans);
    const at = (now: number) => {
      const cuda = backend('cuda', { passed: 'slowed by heat (92 °C)' });
      row.update(cuda, seenOf(cuda, [cuda], telemetry([device('a')], now - 2), now, now, trans));
    };
    at(1000);
    const line = row.node.querySelector('button')!;
    const list = row.node.querySelector('dl')!;
    expect(list.hidden).toBe(true);
    line.click();
    expect([list.hidden, line.getAttribute('aria-expanded')]).toEqual([false, 'true']);
    const before = [...list.children];
    at(1060);
    expect([...list.children]).toEqual(before);
    expect(list.hidden).toBe(false);
    expect(list.textContent).toContain('slowed by heat (92 °C)');
  });

  it('sets what a cluster says as text', () => {
    const row = new BackendRow('<img src=x>', trans);
    const evil = backend('<img src=x>', { models: ['<b onclick=1>'], source: '<script>1</script>' });
    row.update(evil, seenOf(evil, [evil], null, 1000, 1000, trans));
    expect(row.node.querySelector('img, script, b[onclick]')).toBeNull();
    expect(row.node.textContent).toContain('<b onclick=1>');
  });
});

describe('the section of backends', () => {
  it('says what auto takes and why, and keeps the focus while numbers change', async () => {
    const { socket, ends } = socketPair();
    const answer: Backends = {
      target: 'lab',
      time: 1000,
      auto: 'cuda',
      auto_why: 'cuda, because 3 of 8 GPUs are free; rocm was passed over: slowed by heat (92 °C).',
      backends: [backend('cuda'), backend('rocm', { models: ['MI300X'] }), backend('xpu', { total: 0 }), backend('hpu', { total: 0 })]
    };
    const rest = {
      version: async () => ({ protocol: PROTOCOL, may: { write: true, execute: true } }),
      targets: async () => ({ current: 'lab', targets: [{ name: 'lab', where: 'x' }], notes: [] }),
      backends: async () => answer
    } as unknown as Rest;
    const workbench = new Workbench(rest, socket);
    await workbench.start();
    ends[0].say(hello());
    await workbench.refreshBackends('lab');
    const section = new BackendsSection(workbench, trans);
    document.body.append(section.node);
    section.paint();
    expect(section.node.textContent).toContain('auto takes cuda, because 3 of 8 GPUs are free; rocm was passed over');
    expect(section.node.textContent).toContain('xpu, hpu');
    const button = section.node.querySelector<HTMLElement>('button.jp-Sovlab-backend')!;
    button.focus();
    section.paint();
    expect(document.activeElement).toBe(button);
    section.dispose();
    section.node.remove();
  });
});
