import { BACKEND, choicesOf, controlOf, FRESH, hintOf, initialOf, NAME, OUTPUT, pointerOf, RunForm, TARGET, TIMEOUT } from '../model/form';
import type { Form, Parameter } from '../model/types';
import { english as trans } from '../model/words';



const parameter = (name: string, more: Partial<Parameter> = {}): Parameter => ({
  name,
  kind: 'float',
  type: 'float',
  default: '0.1',
  computed: false,
  optional: false,
  choices: [],
  note: '',
  secret: false,
  required: false,
  ...more
});

const form = (...parameters: Parameter[]): Form => ({
  notebook: 'a/train.ipynb',
  kernel: 'python3',
  language: 'python',
  parameters,
  output: 'a/train-out.ipynb',
  notes: []
});

const fault = (pointer: string, detail: string, hint = '') => ({ pointer, detail, hint });

describe('the form of a run', () => {
  it('asks for what was changed, as it was typed, and leaves the rest to the notebook', () => {
    const made = new RunForm(
      form(
        parameter('lr'),
        parameter('epochs', { kind: 'int', default: '3' }),
        parameter('name', { kind: 'str', default: 'adam' }),
        parameter('empty', { kind: 'str', default: null, computed: true }),
        parameter('fast', { kind: 'bool', default: 'False' })
      )
    );
    made.set('/parameters/lr', ' 1e-2 ');
    made.set('/parameters/epochs', '');
    made.set('/parameters/name', '');
    made.set('/parameters/fast', 'True');
    made.set('/parameters/empty', 'x');
    made.set('/parameters/empty', '');
    made.set(NAME, ' mine ');
    const { key, ...request } = made.request();
    expect(request).toEqual({
      notebook: 'a/train.ipynb',
      output: 'a/train-out.ipynb',
      parameters: { lr: ' 1e-2 ', name: '', fast: 'True' },
      options: { name: 'mine' },
      fresh: false
    });
    expect(key).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
  });

  it('goes where the notebook was sent to before, and says how long it may take', () => {
    const made = new RunForm(form(), { target: 'research', backend: 'cuda' });
    made.set(TIMEOUT, '2h');
    made.set(FRESH, 'True');
    expect(made.request().options).toEqual({ target: 'research', backend: 'cuda', timeout: '2h' });
    expect(made.request().fresh).toBe(true);
    made.set(TARGET, '');
    made.set(BACKEND, '');
    expect(made.request().options).toEqual({ timeout: '2h' });
  });

  it('puts what is wrong beside its field, and keeps all that was typed', () => {
    const made = new RunForm(form(parameter('lr'), parameter('epochs')));
    made.set('/parameters/epochs', 'thirty');
    made.set(OUTPUT, 'a/train.ipynb');
    made.refuse({
      detail: 'epochs is a whole number; “thirty” is not one. And 2 more.',
      hint: '',
      errors: [
        fault('/parameters/epochs', 'epochs is a whole number; “thirty” is not one.', 'Write it like 30.'),
        fault('/output', 'The output is the notebook itself.'),
        fault('/options/memory', 'memory is wrong.', 'Say 4G.')
      ]
    });
    expect(made.fault('/parameters/epochs')).toBe('epochs is a whole number; “thirty” is not one. Write it like 30.');
    expect(made.fault(OUTPUT)).toBe('The output is the notebook itself.');
    expect(made.wrong).toEqual(['/parameters/epochs', OUTPUT]);
    expect(made.problem).toEqual({ detail: 'memory is wrong.', hint: 'Say 4G.' });
    expect(made.get('/parameters/epochs')).toBe('thirty');
    made.set('/parameters/epochs', '30');
    expect(made.fault('/parameters/epochs')).toBe('');
    expect(made.fault(OUTPUT)).not.toBe('');
  });

  it('says above the fields what is of none of them', () => {
    const made = new RunForm(form());
    made.refuse({ detail: 'Target research does not answer.', hint: 'Try again.', errors: [] });
    expect(made.problem).toEqual({ detail: 'Target research does not answer.', hint: 'Try again.' });
    made.refuse({ detail: 'x', hint: '', errors: [fault(OUTPUT, 'It is there.')] });
    expect(made.problem).toBeNull();
  });

  it('has the same key for the same request, and another for another', () => {
    let number = 0;
    const made = new RunForm(form(parameter('lr')), undefined, () => `key-${number++}`);
    const first = made.request().key;
    expect(made.request().key).toBe(first);
    made.set('/parameters/lr', '0.1');
    expect(made.request().key).toBe(first);
    made.set('/parameters/lr', '0.2');
    expect(made.request().key).not.toBe(first);
  });

  it('has names of any kind in pointers', () => {
    expect(pointerOf(parameter('a/b~c'))).toBe('/parameters/a~1b~0c');
  });
});

describe('a field', () => {
  it('is of the kind of its parameter', () => {
    const yes = { kind: 'bool', default: 'True' } as const;
    expect(controlOf(parameter('x'))).toBe('line');
    expect(controlOf(parameter('x', { kind: 'str', default: 'a\nb' }))).toBe('lines');
    expect(controlOf(parameter('x', yes))).toBe('box');
    expect(controlOf(parameter('x', { ...yes, optional: true }))).toBe('choice');
    expect(controlOf(parameter('x', { kind: 'bool', default: 'n > 3', computed: true }))).toBe('choice');
    expect(controlOf(parameter('x', { kind: 'str', default: 'a', choices: ['a', 'b'] }))).toBe('choice');
  });

  it('offers all choices, and none where the notebook has its own', () => {
    const choices = ['a', 'b'];
    expect(choicesOf(parameter('x', { default: 'a', choices }))).toEqual(['a', 'b']);
    expect(choicesOf(parameter('x', { default: 'None', optional: true, choices }))).toEqual(['a', 'b', 'None']);
    expect(choicesOf(parameter('x', { default: 'pick()', computed: true, choices }))).toEqual(['', 'a', 'b']);
    expect(choicesOf(parameter('x', { kind: 'bool', default: null, required: true }))).toEqual(['', 'True', 'False']);
  });

  it('says its type, its default and its comment', () => {
    expect(hintOf(parameter('x', { note: 'how fast' }), trans)).toBe('float · default 0.1 · how fast');
    expect(hintOf(parameter('x', { kind: 'any', type: '', default: 'n * 2', computed: true }), trans)).toBe('computed: n * 2');
    expect(hintOf(parameter('x', { kind: 'int', type: 'int', default: null, required: true }), trans)).toBe('int · must be given');
    expect(hintOf(parameter('x', { kind: 'str', type: 'str', default: 'y'.repeat(999) }), trans).length).toBeLessThan(100);
  });

  it('takes no secret', () => {
    const secret = parameter('api_key', { kind: 'str', default: null, secret: true });
    expect(initialOf(secret)).toBe('');
    expect(hintOf(secret, trans)).toContain('secret');
    const made = new RunForm(form(secret));
    made.set(pointerOf(secret), 'x');
    expect(made.request().parameters).toEqual({});
  });
});
