import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { type Problem, toProblem } from '#/api/problem';
import type { MappingLine, MappingProblem } from '#/api/types';
import { useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { checkQuery, mappingQuery, saveMapping, type TaggedMapping } from './queries';
import { TextEditor } from './text-editor';

/** After the last key, this long until the text is checked. */
const PAUSE = 400;

/** The text that is being written, checked as it grows, and its way to the server. */
export function useDraft(mapping: TaggedMapping) {
  const [text, setText] = useState(mapping.text);
  const [etag, setEtag] = useState(mapping.etag);
  const [settled, setSettled] = useState(mapping.text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  const isChanged = text !== mapping.text;
  const check = useQuery({
    ...checkQuery({ connection_id: mapping.connection_id, stream: mapping.stream, text: settled }),
    enabled: settled !== mapping.text,
    placeholderData: (old) => old,
  });
  const found: { problems: MappingProblem[]; rows: MappingLine[] } =
    (settled !== mapping.text && check.data) || mapping;
  return {
    text,
    setText,
    etag,
    /** The text on the server moved on; from here the next save goes over it. */
    setEtag,
    isChanged,
    isChecking: check.isFetching || text !== settled,
    checkError: check.error,
    problems: found.problems,
    rows: found.rows,
  };
}

export type Draft = ReturnType<typeof useDraft>;

export function MappingEditor({ mapping, draft }: { mapping: TaggedMapping; draft: Draft }) {
  const t = useWords();
  const mayEdit = useMay()('mappings.manage');
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: (publish: boolean) =>
      saveMapping({ id: mapping.id, etag: draft.etag, text: draft.text, publish }),
    onSuccess: (saved, publish) => {
      draft.setEtag(saved.etag);
      client.setQueryData(mappingQuery(mapping.id).queryKey, saved);
      void client.invalidateQueries({ queryKey: ['mappings', 'list'] });
      void client.invalidateQueries({ queryKey: ['mappings', 'versions', mapping.id] });
      toast({ text: t(publish ? 'mapping.published' : 'mapping.draft_saved') });
    },
  });
  const problem = save.error ? toProblem(save.error) : null;
  const refused = useMemo(() => problemsOf(problem), [problem]);
  const problems = refused.length > 0 && !draft.isChecking ? refused : draft.problems;
  const blocked = problems.some((one) => one.severity !== 'warning');
  const isStale = problem?.slug === 'stale';
  const fetchNewest = useMutation({
    mutationFn: (_keepMine: boolean) => client.fetchQuery({ ...mappingQuery(mapping.id), staleTime: 0 }),
    onSuccess: (newest, keepMine) => {
      draft.setEtag(newest.etag);
      if (!keepMine) draft.setText(newest.text);
      save.reset();
    },
  });
  return (
    <div className="flex flex-col">
      <TextEditor
        label={t('mapping.text')}
        text={draft.text}
        onChange={
          mayEdit
            ? (text) => {
                draft.setText(text);
                if (save.error) save.reset();
              }
            : undefined
        }
        problems={problems}
        isChecking={draft.isChecking}
      />
      {isStale && (
        <div
          role="alert"
          className="flex flex-col gap-3 border-t border-line bg-warn-soft px-4 py-3 text-sm text-warn-ink"
        >
          <p>{t('mapping.stale')}</p>
          <div className="flex flex-wrap gap-2">
            <Button onPress={() => fetchNewest.mutate(false)} isDisabled={fetchNewest.isPending}>
              {t('mapping.take_theirs')}
            </Button>
            <Button onPress={() => fetchNewest.mutate(true)} isDisabled={fetchNewest.isPending}>
              {t('mapping.keep_mine')}
            </Button>
          </div>
          {fetchNewest.error && <ErrorState compact error={fetchNewest.error} />}
        </div>
      )}
      {problem && !isStale && refused.length === 0 && (
        <div className="p-4">
          <ErrorState compact error={problem} />
        </div>
      )}
      {draft.checkError && (
        <div className="p-4">
          <ErrorState compact error={draft.checkError} title={t('mapping.check_failed')} />
        </div>
      )}
      <div className="flex flex-wrap items-center gap-2 border-t border-line px-4 py-3">
        {mayEdit && (
          <>
            <Button
              look="primary"
              onPress={() => save.mutate(true)}
              isDisabled={
                blocked || draft.isChecking || save.isPending || (!draft.isChanged && !mapping.draft)
              }
            >
              {t('mapping.publish')}
            </Button>
            <Button onPress={() => save.mutate(false)} isDisabled={!draft.isChanged || save.isPending}>
              {t('mapping.save_draft')}
            </Button>
            {draft.isChanged && (
              <Button look="quiet" onPress={() => draft.setText(mapping.text)}>
                {t('mapping.discard')}
              </Button>
            )}
          </>
        )}
        <p className="ml-auto text-sm text-ink-2">
          {t(
            draft.isChanged ? 'mapping.unsaved' : mapping.draft ? 'mapping.is_draft' : 'mapping.is_published',
          )}
        </p>
      </div>
    </div>
  );
}

/** The places the server refused, as the editor shows them. */
function problemsOf(problem: Problem | null): MappingProblem[] {
  if (problem?.slug !== 'invalid-field') return [];
  return problem.errors
    .filter((error) => error.line != null)
    .map((error) => ({
      line: error.line ?? 1,
      column: error.column ?? 1,
      message: error.message,
      severity: 'error' as const,
    }));
}
