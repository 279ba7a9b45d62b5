/** What somebody types into the form of a notebook's run, kept until it has begun; and what is wrong with it. */
import { Signal } from '@lumino/signaling';
import type { Fault, Form, Parameter, Problem, RunRequest } from './types';
import type { Trans } from './words';

export const OUTPUT = '/output';
export const TARGET = '/options/target';
export const BACKEND = '/options/backend';
export const NAME = '/options/name';
export const TIMEOUT = '/options/timeout';
export const FRESH = '/fresh';
const YES = 'True';
const NO = 'False';

/** Where what was typed for a parameter stands in the request, as the server points to it. */
export function pointerOf(parameter: Parameter): string {
  return `/parameters/${parameter.name.replace(/~/g, '~0').replace(/\//g, '~1')}`;
}

/** What a field of a parameter is made of. */
export type Control = 'line' | 'lines' | 'box' | 'choice';

/** A box has no third state: what may be something else than yes and no is chosen from a list. */
export function controlOf(parameter: Parameter): Control {
  if (parameter.choices.length) {
    return 'choice';
  }
  if (parameter.kind === 'bool') {
    return parameter.optional || initialOf(parameter) === '' ? 'choice' : 'box';
  }
  return /\n/.test(parameter.default ?? '') ? 'lines' : 'line';
}

/** What a list of choices has, as texts; the empty one leaves the notebook's own value. */
export function choicesOf(parameter: Parameter): string[] {
  const own = parameter.choices.length ? parameter.choices : [YES, NO];
  const all = [...own, ...(parameter.optional ? ['None'] : [])];
  return all.includes(initialOf(parameter)) ? all : ['', ...all];
}

/** What stands in the field of a parameter before somebody types. */
export function initialOf(parameter: Parameter): string {
  return parameter.computed || parameter.secret ? '' : (parameter.default ?? '');
}

/** What is to be known of a parameter: its type, its default, its comment. */
export function hintOf(parameter: Parameter, trans: Trans): string {
  if (parameter.secret) {
    return trans.__('looks like a secret: it is not written into a notebook. Read it from a variable of the environment');
  }
  const own = parameter.default ?? '';
  const shown = own.length > 60 ? `${own.slice(0, 60)}…` : own;
  const standard = parameter.computed
    ? own
      ? trans.__('computed: %1', shown)
      : trans.__('computed in the notebook')
    : parameter.required
      ? trans.__('must be given')
      : parameter.default === null
        ? ''
        : trans.__('default %1', parameter.kind === 'str' ? `“${shown}”` : shown);
  const type = parameter.type || (parameter.kind === 'any' ? '' : parameter.kind);
  return [parameter.choices.length ? '' : type, standard, parameter.note].filter(Boolean).join(' · ');
}

/** The texts of a form by pointer, and what the server said of them. */
export class RunForm {
  constructor(
    readonly form: Form,
    place: { target: string; backend: string } = { target: '', backend: '' },
    private _newKey: () => string = () => crypto.getRandomValues(new Uint32Array(4)).join('-')
  ) {
    for (const parameter of form.parameters) {
      this._texts.set(pointerOf(parameter), initialOf(parameter));
    }
    this._texts.set(OUTPUT, form.output);
    this._texts.set(TARGET, place.target);
    this._texts.set(BACKEND, place.backend);
    this._key = _newKey();
  }

  /** A text, or what is wrong, is another now. */
  readonly changed = new Signal<this, void>(this);

  /** What is wrong and belongs to no field: shown above them. */
  get problem(): { detail: string; hint: string } | null {
    return this._problem;
  }

  /** What was typed into a field. */
  get(pointer: string): string {
    return this._texts.get(pointer) ?? '';
  }

  /** Somebody types: what was said of the field before is of another text. */
  set(pointer: string, text: string): void {
    if (text !== this.get(pointer)) {
      this._texts.set(pointer, text);
      this._faults.delete(pointer);
      this._key = this._newKey();
      this.changed.emit();
    }
  }

  /** What is wrong with a field, in a sentence or two; empty if nothing is known to be. */
  fault(pointer: string): string {
    const fault = this._faults.get(pointer);
    return fault ? [fault.detail, fault.hint].filter(Boolean).join(' ') : '';
  }

  /** The fields with something wrong, in the order that the server has. */
  get wrong(): string[] {
    return [...this._faults.keys()];
  }

  /** What the server is asked; the same key while nothing was typed, so that a lost answer begins no second run. */
  request(): RunRequest {
    const parameters: Record<string, string> = {};
    for (const parameter of this.form.parameters) {
      const text = this.get(pointerOf(parameter));
      const cleared = text === '' && (parameter.kind !== 'str' || parameter.default === null || parameter.computed);
      if (text !== initialOf(parameter) && !cleared && !parameter.secret) {
        parameters[parameter.name] = text;
      }
    }
    const options: Record<string, string> = {};
    for (const pointer of [TARGET, BACKEND, NAME, TIMEOUT]) {
      const text = this.get(pointer).trim();
      if (text) {
        options[pointer.split('/')[2]] = text;
      }
    }
    return {
      notebook: this.form.notebook,
      output: this.get(OUTPUT).trim(),
      parameters,
      options,
      fresh: this.get(FRESH) === YES,
      key: this._key
    };
  }

  /** Take what the server says is wrong: beside the fields that are there, above them for the rest. */
  refuse(problem: Pick<Problem, 'detail' | 'hint' | 'errors'>): void {
    this._faults.clear();
    const others: Fault[] = [];
    for (const fault of problem.errors) {
      // What was typed comes back in its own place only.
      if (this._texts.has(fault.pointer) || SAID.includes(fault.pointer)) {
        this._faults.set(fault.pointer, fault);
      } else {
        others.push(fault);
      }
    }
    if (!problem.errors.length) {
      this._problem = { detail: problem.detail, hint: problem.hint };
    } else if (others.length) {
      this._problem = { detail: others.map(each => each.detail).join(' '), hint: others[0].hint };
    } else {
      this._problem = null;
    }
    this.changed.emit();
  }

  private _faults = new Map<string, Fault>();
  private _key: string;
  private _problem: { detail: string; hint: string } | null = null;
  private _texts = new Map<string, string>();
}

const SAID = [OUTPUT, TARGET, BACKEND, NAME, TIMEOUT, FRESH];
