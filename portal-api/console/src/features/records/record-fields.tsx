import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ToggleButton } from 'react-aria-components/ToggleButton';
import { ToggleButtonGroup } from 'react-aria-components/ToggleButtonGroup';
import { type Problem, toProblem } from '#/api/problem';
import type { Entity, Field, FieldProvenance, Provenance } from '#/api/types';
import { useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { Search } from '#/ui/search';
import { EmptyState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { FieldForm } from './field-form';
import { FieldGrid } from './field-grid';
import { catalogueQuery, editRecord, type Noun, recordQuery } from './queries';
import { isShown, SHOWS, type Show } from './sides';
import { StaleEdit } from './stale-edit';
import './words';

type RecordFieldsProps = {
  noun: Noun;
  record: Entity;
  provenance: Provenance;
  show: Show;
  onShow: (show: Show) => void;
};

/** An edit that is under way, with the record's version it began from. */
type Draft = { field: FieldProvenance; version: number; before: unknown; mine?: unknown };

export function RecordFields({ noun, record, provenance, show, onShow }: RecordFieldsProps) {
  const t = useWords();
  const client = useQueryClient();
  const catalogue = useQuery(catalogueQuery(noun)).data;
  const mayWrite = useMay()('records.write');
  const [wanted, setWanted] = useState('');
  const [draft, setDraft] = useState<Draft | null>(null);
  const edit = useMutation({
    mutationFn: (change: { draft: Draft; version: number; value: unknown }) =>
      editRecord({
        noun,
        id: record.id,
        version: change.version,
        fields: { [change.draft.field.name]: change.value },
      }),
    onSuccess: (saved, { draft: done }) => {
      client.setQueryData(recordQuery(noun, record.id).queryKey, saved);
      void client.invalidateQueries({ queryKey: [noun] });
      setDraft(null);
      toast({ text: t('grid.saved', { field: done.field.label }) });
    },
  });
  const entryOf = (field: FieldProvenance): Field | undefined =>
    catalogue?.find((one) => one.name === field.name);
  const canEdit = (field: FieldProvenance) => {
    if (!mayWrite) return false;
    const type = entryOf(field)?.type;
    return type !== undefined && type !== 'reference' && type !== 'user';
  };
  function begin(field: FieldProvenance) {
    edit.reset();
    setDraft({ field, version: record.version, before: field.value });
  }
  function save(value: unknown) {
    if (!draft) return;
    setDraft({ ...draft, mine: value });
    edit.mutate({ draft, version: draft.version, value });
  }

  const problem = edit.error ? toProblem(edit.error) : null;
  const current = problem?.slug === 'stale' ? currentOf(problem) : null;
  const entry = draft && entryOf(draft.field);
  const count = (kind: Show) => provenance.fields.filter((field) => isShown(field, kind, '')).length;
  const fields = provenance.fields.filter(
    (field) => isShown(field, show, wanted.toLowerCase()) || field.name === draft?.field.name,
  );
  return (
    <>
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2 border-b border-line px-4 py-2">
        <Search label={t('grid.find')} clearLabel={t('filter.clear')} value={wanted} onChange={setWanted} />
        <ToggleButtonGroup
          aria-label={t('grid.show')}
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[show]}
          onSelectionChange={(keys) => onShow(SHOWS.find((one) => keys.has(one)) ?? 'all')}
          className="flex flex-wrap gap-1"
        >
          {SHOWS.map((kind) => (
            <ToggleButton
              key={kind}
              id={kind}
              className="inline-flex h-7 items-center gap-1.5 rounded-control px-2 text-sm text-ink-2 hover:bg-hover selected:bg-accent-soft selected:font-medium selected:text-accent-ink touch"
            >
              {t(`show.${kind}`)} <span className="numeric text-xs">{count(kind)}</span>
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
      </div>
      {fields.length === 0 ? (
        <EmptyState
          good={show === 'differing' || show === 'pending'}
          title={t(
            show === 'differing'
              ? 'grid.all_agree'
              : show === 'pending'
                ? 'grid.all_written'
                : 'filter.nothing',
          )}
        />
      ) : (
        <FieldGrid
          label={t('grid.title')}
          provenance={provenance}
          fields={fields}
          canEdit={canEdit}
          onEdit={begin}
          editing={
            draft && entry
              ? {
                  name: draft.field.name,
                  form: (
                    <FieldForm
                      field={entry}
                      value={draft.before}
                      problem={problem && !current ? messageOf(problem, draft.field.name) : undefined}
                      isSaving={edit.isPending}
                      onSave={save}
                      onCancel={() => setDraft(null)}
                    />
                  ),
                }
              : null
          }
        />
      )}
      {draft && current && (
        <StaleEdit
          field={draft.field}
          before={draft.before}
          now={current.fields[draft.field.name]}
          mine={draft.mine}
          isSaving={edit.isPending}
          onKeepMine={() => edit.mutate({ draft, version: current.version, value: draft.mine })}
          onKeepTheirs={() => {
            edit.reset();
            setDraft(null);
            void client.invalidateQueries({ queryKey: [noun] });
          }}
        />
      )}
    </>
  );
}

/** The record as it is now, which the refusal brings along. */
function currentOf(problem: Problem): Pick<Entity, 'version' | 'fields'> | null {
  const current = problem.body.current;
  if (typeof current !== 'object' || current === null) return null;
  const { version, fields } = current as Partial<Entity>;
  return typeof version === 'number' && fields ? { version, fields } : null;
}

function messageOf(problem: Problem, name: string): string {
  return problem.byField('fields.')[name] ?? problem.message;
}
