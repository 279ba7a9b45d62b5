/** The fields of the form for a notebook's run: each with its name, what is to be known of it, and what is wrong. */
import { Widget } from '@lumino/widgets';
import { h, onFrame, say, show } from '../card/dom';
import {
  BACKEND,
  choicesOf,
  controlOf,
  FRESH,
  hintOf,
  NAME,
  OUTPUT,
  pointerOf,
  type RunForm,
  TARGET,
  TIMEOUT
} from '../model/form';
import type { Parameter } from '../model/types';
import type { Workbench } from '../model/workbench';
import type { Trans } from '../model/words';
import { backendWords } from './picker';

type Input = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** A field as it stands in the page. */
interface Field {
  input: Input;
  fault: HTMLElement;
}

const YES = 'True';
const NO = 'False';
let made = 0;

export class FormView extends Widget {
  constructor(
    private _form: RunForm,
    private _workbench: Workbench,
    private _trans: Trans
  ) {
    super();
    const trans = _trans;
    this.addClass('jp-Sovlab');
    this.addClass('jp-Sovlab-form');
    const { form } = _form;
    this._problem = h('div', { class: 'jp-Sovlab-form-problem', role: 'alert' });
    this._busy = h('div', { class: 'jp-Sovlab-form-hint', role: 'status' });
    this.node.append(this._problem);
    const notes = form.notes.map(note => h('p', { class: 'jp-Sovlab-form-note' }, note));
    const parameters = form.parameters.map(each => this._parameter(each));
    this._group(trans.__('Parameters'), [...notes, ...parameters.flat()]);
    const line = (pointer: string, hint = '') => this._line(pointer, hint);
    this._group(trans.__('Output'), [
      ...this._row(trans.__('Notebook'), OUTPUT, line(OUTPUT), trans.__('a new file: the open notebook stays as it is'))
    ]);
    this._target = this._select(TARGET);
    this._backend = this._select(BACKEND);
    this._backendHint = h('div', { class: 'jp-Sovlab-form-hint' });
    this._group(trans.__('Job'), [
      ...this._row(trans.__('Target'), TARGET, this._target, ''),
      ...this._row(trans.__('Backend'), BACKEND, this._backend, this._backendHint),
      ...this._row(trans.__('Name'), NAME, line(NAME, nameOf(form.notebook)), ''),
      ...this._row(trans.__('Longest time'), TIMEOUT, line(TIMEOUT, trans.__('no limit')), trans.__('like 30m or 2h; it is ended then')),
      ...this._box(trans.__('Run it anew'), FRESH, trans.__('also if the very same run is there already'))
    ]);
    this.node.append(this._busy);
    _form.changed.connect(this._update, this);
    _workbench.changed.connect(this._update, this);
    void _workbench.refreshBackends(this._targetName);
    this._paint();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._form.changed.disconnect(this._update, this);
      this._workbench.changed.disconnect(this._update, this);
      super.dispose();
    }
  }

  /** Say that it is being submitted; nothing can be typed meanwhile. */
  set busy(busy: boolean) {
    if (busy) {
      this._focused = document.activeElement;
    }
    this._fields.forEach(({ input }, pointer) => (input.disabled = busy || this._secrets.has(pointer)));
    say(this._busy, busy ? this._trans.__('Submitting…') : '');
  }

  /** Show what is wrong, and go to the first field of it. */
  showFaults(): void {
    this._paint();
    const first = [...this._fields].find(([pointer]) => this._form.fault(pointer));
    if (first) {
      first[1].input.focus();
    } else {
      this._problem.scrollIntoView({ block: 'nearest' });
      (this._focused as HTMLElement | null)?.focus();
    }
  }

  private get _targetName(): string {
    return this._form.get(TARGET) || this._workbench.targets?.current || '';
  }

  private _update = onFrame(() => {
    if (!this.isDisposed) {
      this._paint();
    }
  });

  private _paint(): void {
    const trans = this._trans;
    const { problem } = this._form;
    say(this._problem, problem ? [problem.detail, problem.hint].filter(Boolean).join(' ') : '');
    show(this._problem, !!problem);
    for (const [pointer, { input, fault }] of this._fields) {
      const said = this._form.fault(pointer);
      say(fault, said);
      show(fault, !!said);
      if (said) {
        input.setAttribute('aria-invalid', 'true');
      } else {
        input.removeAttribute('aria-invalid');
      }
    }
    const { targets, current } = this._workbench.targets ?? { targets: [], current: '' };
    offer(
      this._target,
      targets.map(each => ({ value: each.name === current ? '' : each.name, words: `${each.name} — ${each.where}` })),
      this._form.get(TARGET)
    );
    const told = this._workbench.backendsOf(this._targetName);
    const telemetry = this._workbench.telemetryOf(this._targetName);
    const backends = told?.backends ?? [];
    const words = backends.map(each => {
      const none = !each.total && !each.free;
      const note = none ? trans.__('none on this target') : backendWords(each, told!, telemetry, trans);
      return { value: each.name, words: `${each.name} — ${note}`, disabled: none };
    });
    offer(this._backend, [{ value: '', words: 'auto' }, ...words], this._form.get(BACKEND));
    const why = this._form.get(BACKEND) ? '' : (told?.auto_why ?? '');
    say(this._backendHint, why);
    show(this._backendHint, !!why);
  }

  private _group(title: string, rows: (HTMLElement | null)[]): void {
    const fields = h('div', { class: 'jp-Sovlab-form-fields' }, ...rows);
    this.node.append(h('fieldset', {}, h('legend', {}, title), fields));
  }

  private _parameter(parameter: Parameter): (HTMLElement | null)[] {
    const pointer = pointerOf(parameter);
    const control = controlOf(parameter);
    const hint = hintOf(parameter, this._trans);
    if (parameter.secret) {
      this._secrets.add(pointer);
    }
    if (control === 'box') {
      return this._box(parameter.name, pointer, hint, true);
    }
    let input: Input;
    if (control === 'choice') {
      input = this._select(pointer);
      const own = this._trans.__('as the notebook has it');
      offer(input, choicesOf(parameter).map(value => ({ value, words: value || own })), this._form.get(pointer));
    } else {
      input = this._line(pointer, parameter.kind === 'str' ? '' : (parameter.default ?? ''), control === 'lines');
      const mode = { int: 'numeric', float: 'decimal' }[parameter.kind as string];
      input.setAttribute('inputmode', mode ?? 'text');
      input.disabled = parameter.secret;
    }
    if (parameter.required) {
      input.setAttribute('aria-required', 'true');
    }
    return this._row(parameter.name, pointer, input, hint, true);
  }

  private _line(pointer: string, placeholder: string, several = false): Input {
    const attributes = { class: 'jp-Sovlab-input', placeholder: placeholder.slice(0, 200), autocomplete: 'off', spellcheck: 'false' };
    const input = several ? h('textarea', { ...attributes, rows: 3 }) : h('input', { ...attributes, type: 'text' });
    input.value = this._form.get(pointer);
    input.addEventListener('input', () => this._form.set(pointer, input.value));
    return input;
  }

  private _select(pointer: string): HTMLSelectElement {
    const select = h('select', { class: 'jp-Sovlab-select' });
    select.addEventListener('change', () => {
      this._form.set(pointer, select.value);
      if (pointer === TARGET) {
        this._form.set(BACKEND, '');
        void this._workbench.refreshBackends(this._targetName);
      }
    });
    return select;
  }

  /** A name, what it is the name of, and below what is to be known and what is wrong. */
  private _row(label: string, pointer: string, input: Input, hint: string | HTMLElement, code = false): (HTMLElement | null)[] {
    const below = this._below(pointer, input, hint);
    const words = h('label', { for: input.id, class: code ? 'jp-mod-code' : null, title: label }, label);
    return [words, input, ...below];
  }

  private _box(label: string, pointer: string, hint: string, code = false): (HTMLElement | null)[] {
    const input = h('input', { type: 'checkbox' });
    input.checked = this._form.get(pointer) === YES;
    input.addEventListener('change', () => this._form.set(pointer, input.checked ? YES : NO));
    return this._row(label, pointer, input, hint, code);
  }

  private _below(pointer: string, input: Input, hint: string | HTMLElement): (HTMLElement | null)[] {
    const id = `jp-Sovlab-form-${made++}`;
    const said = typeof hint === 'string' ? (hint ? h('div', { class: 'jp-Sovlab-form-hint' }, hint) : null) : hint;
    const fault = h('div', { class: 'jp-Sovlab-form-fault', id: `${id}-fault`, hidden: true });
    input.id = id;
    if (said) {
      said.id = `${id}-hint`;
    }
    input.setAttribute('aria-describedby', [said?.id, fault.id].filter(Boolean).join(' '));
    this._fields.set(pointer, { input, fault });
    return [said, fault];
  }

  private _backend: HTMLSelectElement;
  private _backendHint: HTMLElement;
  private _busy: HTMLElement;
  private _fields = new Map<string, Field>();
  /** What had the focus as it was submitted: a field that cannot be typed into loses it. */
  private _focused: Element | null = null;
  private _problem: HTMLElement;
  private _secrets = new Set<string>();
  private _target: HTMLSelectElement;
}

interface Choice {
  value: string;
  words: string;
  disabled?: boolean;
}

/** Have a list offer these; one that stands as it is is not touched, for somebody may have it open. */
function offer(select: HTMLSelectElement, choices: Choice[], chosen: string): void {
  const all = choices.some(each => each.value === chosen) ? choices : [...choices, { value: chosen, words: chosen }];
  const now = [...select.options].map(each => [each.value, each.textContent, each.disabled].join('\n')).join('\n');
  if (now !== all.map(each => [each.value, each.words, !!each.disabled].join('\n')).join('\n')) {
    select.replaceChildren(...all.map(each => h('option', { value: each.value, disabled: each.disabled }, each.words)));
  }
  if (select.value !== chosen) {
    select.value = chosen;
  }
}

function nameOf(path: string): string {
  return path.split('/').pop()!.replace(/\.ipynb$/, '');
}
