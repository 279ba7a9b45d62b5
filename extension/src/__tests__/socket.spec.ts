import type { Rest } from '../model/rest';
import { Workbench } from '../model/workbench';
import { hello, job, row, socketPair } from './made';

const targets = { current: 'local', targets: [], notes: [] };
const version = {
  version: '0.1.0.dev0',
  protocol: 1,
  document: 1,
  card: '',
  epoch: 'e1',
  may: { write: true, execute: true }
};

async function begun(protocol = 1) {
  const { socket, ends } = socketPair();
  const rest = {
    version: async () => ({ ...version, protocol }),
    targets: async () => targets
  } as unknown as Rest;
  const workbench = new Workbench(rest, socket);
  await workbench.start();
  return { workbench, socket, ends };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

describe('a page and its server', () => {
  it('asks for the jobs of the current target', async () => {
    const { workbench, ends } = await begun();
    expect(workbench.link).toBe('starting');
    ends[0].say(hello());
    expect(workbench.link).toBe('live');
    expect(ends[0].heard).toContainEqual({ type: 'watch', targets: ['local'], epoch: 'e1', known: {} });
    ends[0].say({ type: 'snapshot', target: 'local', revision: 4, total: 1, counts: { running: 1 }, jobs: [row('a')] });
    expect(workbench.jobs.at(0)!.id).toBe('a');
  });

  it('comes back by itself, later each time, and says what it knows', async () => {
    const { workbench, socket, ends } = await begun();
    ends[0].say(hello());
    ends[0].say({ type: 'snapshot', target: 'local', revision: 4, total: 1, counts: {}, jobs: [row('a')] });
    ends[0].say({ type: 'records', target: 'local', revision: 7, total: 1, counts: {}, jobs: [], removed: [] });
    ends[0].drop();
    expect(workbench.link).toBe('lost');
    expect(workbench.jobs.at(0)!.id).toBe('a');
    jest.advanceTimersByTime(499);
    expect(ends).toHaveLength(1);
    jest.advanceTimersByTime(1);
    expect(ends).toHaveLength(2);
    ends[1].drop();
    jest.advanceTimersByTime(999);
    expect(ends).toHaveLength(2);
    jest.advanceTimersByTime(1);
    ends[2].say(hello());
    expect(ends[2].heard).toContainEqual({ type: 'watch', targets: ['local'], epoch: 'e1', known: { local: 7 } });
    socket.dispose();
  });

  it('knows nothing any more when the server is another', async () => {
    const { ends } = await begun();
    ends[0].say(hello());
    ends[0].say({ type: 'snapshot', target: 'local', revision: 4, total: 0, counts: {}, jobs: [] });
    ends[0].drop();
    jest.advanceTimersByTime(500);
    ends[1].say(hello({ epoch: 'e2' }));
    expect(ends[1].heard).toContainEqual({ type: 'watch', targets: ['local'], epoch: 'e2', known: {} });
  });

  it('says what it has of a log that it follows, and takes the rest', async () => {
    const { workbench, ends } = await begun();
    ends[0].say(hello());
    const feed = workbench.follow({ id: 'a1', target: 'local' });
    expect(ends[0].heard).toContainEqual({ type: 'follow', job: 'a1', target: 'local', have: null });
    const log = (start: number, text: string) => ({
      type: 'log',
      target: 'local',
      job: 'a1',
      pieces: [{ rank: null, start, bytes: text.length, text }]
    });
    ends[0].say(log(0, 'one\ntw'));
    ends[0].drop();
    jest.advanceTimersByTime(500);
    ends[1].say(hello());
    expect(ends[1].heard).toContainEqual({ type: 'follow', job: 'a1', target: 'local', have: { '': 6 } });
    ends[1].say(log(6, 'o\n'));
    expect(feed.log.slice(0).map(line => line.text)).toEqual(['one', 'two']);
  });

  it('follows a job once for all that show it, and no longer than that', async () => {
    const { workbench, ends } = await begun();
    ends[0].say(hello());
    const first = workbench.follow({ id: 'a1', target: 'local' });
    const second = workbench.follow({ id: 'a1', target: 'local' });
    expect(second).toBe(first);
    expect(ends[0].heard.filter(each => each.type === 'follow')).toHaveLength(1);
    workbench.release(first);
    expect(ends[0].heard.filter(each => each.type === 'unfollow')).toHaveLength(0);
    workbench.release(second);
    expect(ends[0].heard.filter(each => each.type === 'unfollow')).toHaveLength(1);
  });

  it('does not ask again for a job that is over', async () => {
    const { workbench, ends } = await begun();
    ends[0].say(hello());
    const feed = workbench.follow({ id: 'a1', target: 'local' });
    ends[0].say({ type: 'job', target: 'local', job: job('a1', { state: 'succeeded' }), ended: true });
    expect(feed.complete).toBe(true);
    ends[0].drop();
    jest.advanceTimersByTime(500);
    ends[1].say(hello());
    expect(ends[1].heard.filter(each => each.type === 'follow')).toHaveLength(0);
  });

  it('asks nothing of a server of another version', async () => {
    const { workbench, ends } = await begun(99);
    expect(workbench.link).toBe('stranger');
    expect(ends).toHaveLength(0);
  });

  it('leaves a server whose socket is of another version alone', async () => {
    const { workbench, ends } = await begun();
    ends[0].say(hello({ protocol: 99 }));
    expect(workbench.link).toBe('stranger');
    expect(ends[0].heard).toHaveLength(0);
    jest.advanceTimersByTime(600_000);
    expect(ends).toHaveLength(1);
  });

  it('bears nonsense', async () => {
    const { workbench, ends } = await begun();
    ends[0].onmessage!({ data: 'no json' });
    ends[0].say(hello());
    ends[0].say({ type: 'not known' });
    expect(workbench.link).toBe('live');
  });

  it('looks at power only while somebody sees it', async () => {
    const { workbench, ends } = await begun();
    ends[0].say(hello());
    const [one, two] = [workbench.look(), workbench.look()];
    one.dispose();
    one.dispose();
    two.dispose();
    const looks = ends[0].heard.filter(each => each.type === 'look').map(each => (each as any).targets);
    expect(looks).toEqual([[], ['local'], []]);
  });
});
