import { CircleAlert, CircleCheck, TriangleAlert } from 'lucide-react';
import { useRef } from 'react';
import type { MappingProblem } from '#/api/types';
import { useWords } from '#/lib/words';

type TextEditorProps = {
  label: string;
  text: string;
  onChange?: (text: string) => void;
  problems: readonly MappingProblem[];
  isChecking: boolean;
};

const LINE = 20;

/** The mapping's text with line numbers, and what is wrong in it; a problem leads to its place. */
export function TextEditor({ label, text, onChange, problems, isChecking }: TextEditorProps) {
  const t = useWords();
  const area = useRef<HTMLTextAreaElement>(null);
  const lines = text.split('\n');
  const numbers = Array.from(lines, (_, at) => at + 1);
  const bad = new Map(problems.map((problem) => [problem.line, problem.severity]));
  function goTo({ line, column }: MappingProblem) {
    const at =
      lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + Math.max(0, column - 1);
    area.current?.focus();
    area.current?.setSelectionRange(at, at);
    area.current?.parentElement?.scrollTo({ top: (line - 4) * LINE });
  }
  return (
    <div className="flex min-w-0 flex-col">
      <div className="relative flex max-h-[60vh] min-h-80 min-w-0 overflow-auto bg-surface font-mono text-xs leading-5">
        <ol
          aria-hidden
          className="sticky left-0 z-10 shrink-0 self-start border-r border-line bg-sunken py-2 text-right text-ink-3 select-none"
        >
          {numbers.map((number) => {
            const severity = bad.get(number);
            return (
              <li
                key={number}
                className={`numeric min-w-12 px-2 ${severity ? (severity === 'warning' ? 'bg-warn-soft text-warn-ink' : 'bg-bad-soft text-bad-ink') : ''}`}
              >
                {number}
              </li>
            );
          })}
        </ol>
        <textarea
          ref={area}
          aria-label={label}
          value={text}
          readOnly={!onChange}
          onChange={(event) => onChange?.(event.target.value)}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          wrap="off"
          rows={lines.length + 1}
          className="min-h-80 min-w-0 flex-1 resize-none overflow-x-auto overflow-y-hidden bg-transparent px-3 py-2 text-ink -outline-offset-2 focus:outline-2 focus:outline-focus"
        />
      </div>
      {onChange && (
        <div aria-live="polite" className="border-t border-line">
          {problems.length === 0 ? (
            <p className="flex items-center gap-2 px-4 py-2 text-sm text-ink-2">
              <CircleCheck aria-hidden size={14} className="text-ok" />
              {t(isChecking ? 'mapping.checking' : 'mapping.no_problems')}
            </p>
          ) : (
            <ul aria-label={t('mapping.problems')} className="max-h-48 overflow-auto">
              {problems.map((problem) => (
                <li key={`${problem.line}:${problem.column} ${problem.message}`}>
                  <button
                    type="button"
                    onClick={() => goTo(problem)}
                    className="flex min-h-8 w-full items-start gap-2 px-4 py-1.5 text-left text-sm -outline-offset-2 hover:bg-hover"
                  >
                    {problem.severity === 'warning' ? (
                      <TriangleAlert aria-hidden size={14} className="mt-[3px] shrink-0 text-warn" />
                    ) : (
                      <CircleAlert aria-hidden size={14} className="mt-[3px] shrink-0 text-bad" />
                    )}
                    <span className="numeric shrink-0 text-ink-2">
                      {t('mapping.place', { line: problem.line, column: problem.column })}
                    </span>
                    <span className="min-w-0 break-words text-ink">{problem.message}</span>
                  </button>
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
    </div>
  );
}
