import { JobFeed } from '../model/feed';
import { Outputs } from '../model/outputs';
import type { JobKey } from '../model/problems';
import type { Job, Outcome } from '../model/types';
import { job } from './made';

const key = { id: 'train-1a2b', target: 'local' };
const output = { ...key, path: 'a/out.ipynb', name: 'train.ipynb' };
const outcome = (more: Partial<Outcome>): Outcome => ({ output: output.path, written: false, over: false, problem: '', ...more });

/** A page that follows one job, and a server that answers one after another how far its output is. */
function page(...answers: (Outcome | Error)[]) {
  const feed = new JobFeed(key, {} as never);
  const released: JobFeed[] = [];
  const asked: string[] = [];
  const jobs = { follow: (_: JobKey) => feed, release: (each: JobFeed) => void released.push(each) };
  const rest = {
    outcome: async (path: string) => {
      asked.push(path);
      const answer = answers.length > 1 ? answers.shift()! : answers[0];
      if (answer instanceof Error) {
        throw answer;
      }
      return answer;
    }
  };
  const outputs = new Outputs(jobs, rest, 0);
  const ended = new Promise<{ job: Job; outcome: Outcome }>(resolve => outputs.ended.connect((_, each) => resolve(each)));
  return { feed, released, asked, outputs, ended };
}

describe('the output of a run', () => {
  it('is told of once its job has ended and nobody writes it any more', async () => {
    const made = page(outcome({}), new Error('away'), outcome({ written: true, over: true }));
    made.outputs.add(output);
    made.feed.take(job(key.id, { state: 'running' }), false);
    expect(made.asked).toEqual([]);
    expect(made.outputs.written(key.id)).toBeNull();
    made.feed.take(job(key.id, { state: 'succeeded' }), true);
    const told = await made.ended;
    expect(told.outcome.written).toBe(true);
    expect(made.asked).toEqual([output.path, output.path, output.path]);
    expect(made.outputs.written(key.id)).toEqual(output);
    expect(made.released).toEqual([made.feed]);
  });

  it('is read from the file where the server has begun anew since', async () => {
    const made = page(outcome({ over: null }), outcome({ over: null, written: true }));
    made.feed.take(job(key.id, { state: 'failed' }), true);
    made.outputs.add(output);
    expect((await made.ended).outcome).toEqual(outcome({ over: null, written: true }));
    expect((await made.ended).job.state).toBe('failed');
  });

  it('is waited for so long and no longer', async () => {
    const made = page(outcome({ over: null }));
    made.feed.take(job(key.id, { state: 'succeeded' }), true);
    made.outputs.add(output);
    expect((await made.ended).outcome.written).toBe(false);
    expect(made.asked.length).toBeLessThan(100);
  });

  it('is known after the page was loaded again, and followed if it was not told of', async () => {
    const items = new Map<string, string>();
    const storage = {
      getItem: (name: string) => items.get(name) ?? null,
      setItem: (name: string, value: string) => void items.set(name, value)
    };
    const before = page(outcome({}));
    before.outputs.restore(storage);
    before.outputs.add(output);
    const after = page(outcome({ written: true, over: true }));
    after.outputs.restore(storage);
    expect(after.outputs.of(key.id)).toEqual(output);
    after.feed.take(job(key.id, { state: 'succeeded' }), true);
    await after.ended;
    const last = page(outcome({}));
    last.outputs.restore(storage);
    expect(last.outputs.written(key.id)).toEqual(output);
    expect(last.released).toEqual([]);
  });

  it('is what was kept, and nothing else that lies there', () => {
    for (const text of ['{', '{}', 'null', '[null, 3, {"id": "../x"}, {"id": "a-bc", "target": 1, "path": "p", "name": "n"}]']) {
      const made = page(outcome({}));
      made.outputs.restore({ getItem: () => text, setItem: () => undefined });
      expect(made.outputs.of('a-bc')).toBeNull();
    }
  });

  it('is forgotten with its job', () => {
    const made = page(outcome({}));
    made.outputs.add(output);
    made.feed.fail({ type: '', title: '', status: 503, detail: 'It does not answer.', hint: '', errors: [] });
    expect(made.outputs.of(key.id)).toEqual(output);
    made.feed.fail({ type: '', title: '', status: 404, detail: 'There is no such job.', hint: '', errors: [] });
    expect(made.outputs.of(key.id)).toBeNull();
    expect(made.released).toEqual([made.feed]);
  });

  it('is of jobs that were begun here', () => {
    const made = page(outcome({}));
    made.outputs.add(output);
    expect(made.outputs.of(key.id)).toEqual(output);
    expect(made.outputs.of('other-1a2b')).toBeNull();
  });
});
