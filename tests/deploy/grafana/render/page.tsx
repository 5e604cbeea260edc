// Shows a dashboard with Grafana's own components (@grafana/ui, @grafana/data)
// and the answers to its queries, which render.py puts into `window.shown`.

import * as React from 'react';
import {createRoot} from 'react-dom/client';
import {lastValueFrom} from 'rxjs';
import {
  applyFieldOverrides, cacheFieldDisplayNames, createTheme, dateTime,
  FieldConfigOptionsRegistry, FieldType, getDisplayValueAlignmentFactors,
  getFieldDisplayValues, standardTransformers, standardTransformersRegistry,
  ThemeContext, toDataFrame, transformDataFrame,
} from '@grafana/data';
import {
  BarGauge, BigValue, GlobalStyles, PanelChrome, TimeSeries, VizRepeater,
} from '@grafana/ui';
import {TableNG} from '@grafana/ui/unstable';

const CELL = {width: 24, height: 30, gap: 8}; // as in Grafana, in pixels
const theme = createTheme({colors: {mode: 'dark'}});
const {dashboard, answers, from, to, width} = (window as any).shown;
const timeRange = {
  from: dateTime(from), to: dateTime(to), raw: {from: 'now', to: 'now'},
};
const asIs = (value: any) => value;

const {
  mergeTransformer, organizeFieldsTransformer, groupingToMatrixTransformer,
} = standardTransformers;
standardTransformersRegistry.setInit(() => [
  mergeTransformer, organizeFieldsTransformer, groupingToMatrixTransformer,
].map((each: any) => ({...each, transformation: async () => each})) as any);

// Every setting of a field that the dashboards use; none needs more than to be
// copied.
const PLAIN = ['unit', 'min', 'max', 'decimals', 'noValue', 'color',
  'thresholds', 'mappings', 'links'];
const CUSTOM = ['fillOpacity', 'lineWidth', 'drawStyle',
  'stacking', 'lineStyle', 'lineInterpolation', 'scaleDistribution',
  'thresholdsStyle', 'cellOptions', 'align', 'minWidth'];
const setting = (path: string, isCustom: boolean) => ({
  id: isCustom ? `custom.${path}` : path, path, name: path, isCustom,
  override: () => null, editor: () => null, process: asIs,
  shouldApply: () => true, settings: {},
});
const registry = new FieldConfigOptionsRegistry(() => [
  ...PLAIN.map((path) => setting(path, false)),
  ...CUSTOM.map((path) => setting(path, true))] as any);

type Series = [labels: Record<string, string>, points: Array<[number, string]>];

function legendOf(format: string | undefined, labels: Record<string, string>) {
  return (format ?? '').replace(/{{(\w+)}}/g, (_, name) => labels[name] ?? '');
}

// One frame with a row for each series, as the data source makes tables.
function tableOf(series: Series[], value: string) {
  const names = [...new Set(series.flatMap(([labels]) => Object.keys(labels)))];
  return toDataFrame({fields: [
    {name: 'Time', type: FieldType.time, values: series.map(() => to)},
    ...names.map((name) => ({
      name, type: FieldType.string, values: series.map(([l]) => l[name]),
    })),
    {name: value, type: FieldType.number,
      values: series.map(([, points]) => Number(points[0][1]))},
  ]});
}

// With a null where a value is missing, so that no line joins what it parts.
function withGaps(points: Array<[number, string]>) {
  const step = Math.min(...points.slice(1).map(([t], i) => t - points[i][0]));
  return points.flatMap(([t, v], i) => i && t - points[i - 1][0] > step
    ? [[t - step, null], [t, Number(v)]] : [[t, Number(v)]]);
}

function framesOf(panel: any) {
  return panel.targets.flatMap((target: any) => {
    const series: Series[] = answers[panel.id][target.refId];
    if (target.format === 'table') {
      return [tableOf(series, panel.targets.length > 1
        ? `Value #${target.refId}` : 'Value')];
    }
    return series.map(([labels, points]) => {
      const values = withGaps(points);
      return toDataFrame({refId: target.refId, fields: [
        {name: 'Time', type: FieldType.time,
          values: values.map(([t]) => t! * 1000)},
        {name: 'Value', type: FieldType.number, labels,
          values: values.map(([, v]) => v),
          config: {displayNameFromDS: legendOf(target.legendFormat, labels)}},
      ]});
    });
  });
}

async function dataOf(panel: any) {
  let frames = framesOf(panel);
  if (panel.transformations) {
    frames = await lastValueFrom(
      transformDataFrame(panel.transformations, frames));
  }
  const {defaults, overrides} = panel.fieldConfig;
  const data = applyFieldOverrides({
    data: frames, theme, fieldConfigRegistry: registry,
    replaceVariables: asIs, timeZone: 'utc',
    fieldConfig: {
      overrides,
      // The defaults of Grafana's panels.
      defaults: {
        ...(panel.type === 'timeseries' && {color: {mode: 'palette-classic'}}),
        ...defaults,
        custom: {lineWidth: 1, fillOpacity: 0, ...defaults.custom},
      },
    },
  });
  cacheFieldDisplayNames(data);
  return data;
}

// What stat and bargauge share: a value for each series, side by side.
function Values({panel, data, size, draw}: any) {
  const values = () => getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, theme, data, timeZone: 'utc',
    reduceOptions: {calcs: ['lastNotNull'], values: false},
    replaceVariables: asIs, sparkline: panel.type === 'stat',
  });
  return <VizRepeater getValues={values} source={data} {...size}
    orientation={panel.options?.orientation ?? 'auto'} itemSpacing={6}
    getAlignmentFactors={getDisplayValueAlignmentFactors} autoGrid
    renderValue={draw} />;
}

function Body({panel, data, size}: any) {
  const options = panel.options ?? {};
  const noValue = panel.fieldConfig.defaults.noValue;
  if (!data.some((frame: any) => frame.length)) {
    return <div style={{...size, display: 'grid', placeItems: 'center',
      color: theme.colors.text.secondary}}>{noValue ?? 'No data'}</div>;
  }
  switch (panel.type) {
    case 'timeseries':
      return <TimeSeries frames={data} timeRange={timeRange} timeZone="utc"
        {...size} legend={{calcs: [], showLegend: true, displayMode: 'list',
          placement: 'bottom'} as any} options={options} />;
    case 'table':
      return <TableNG data={data[0]} {...size} noValue={noValue}
        fieldConfig={panel.fieldConfig} enableVirtualization={false} />;
    case 'stat':
      return <Values panel={panel} data={data} size={size}
        draw={({value, width, height, count}: any) => <BigValue theme={theme}
          value={value.display} width={width} height={height} count={count}
          sparkline={value.sparkline} text={options.text}
          colorMode={options.colorMode ?? 'value'}
          graphMode={options.graphMode ?? 'area'}
          justifyMode={'auto' as any} textMode={options.textMode ?? 'auto'} />}
      />;
    case 'bargauge':
      return <Values panel={panel} data={data} size={size}
        draw={({value, width, height, orientation, alignmentFactors}: any) =>
          <BarGauge theme={theme} value={value.display} field={value.field}
            display={value.view?.getFieldDisplayProcessor(value.colIndex)}
            width={width} height={height} orientation={orientation}
            displayMode={options.displayMode} itemSpacing={8}
            namePlacement={'auto' as any} valueDisplayMode={'color' as any}
            alignmentFactors={alignmentFactors} showUnfilled />} />;
  }
  throw new Error(`a panel of the kind ${panel.type}`);
}

function Placed({panel, data}: any) {
  const {x, y, w, h} = panel.gridPos;
  const column = (width + CELL.gap) / CELL.width;
  const place = {
    position: 'absolute' as const,
    left: x * column, top: y * (CELL.height + CELL.gap),
    width: w * column - CELL.gap,
    height: h * (CELL.height + CELL.gap) - CELL.gap,
  };
  if (panel.type === 'row') {
    return <div style={{...place, ...theme.typography.h5,
      color: theme.colors.text.primary}}>{panel.title}</div>;
  }
  return <div style={place}>
    <PanelChrome title={panel.title} width={place.width} height={place.height}>
      {(innerWidth, innerHeight) => <Body panel={panel} data={data}
        size={{width: innerWidth, height: innerHeight}} />}
    </PanelChrome>
  </div>;
}

async function show() {
  const placed = await Promise.all(dashboard.panels.map(
    async (panel: any) => <Placed key={panel.id} panel={panel}
      data={panel.type === 'row' ? [] : await dataOf(panel)} />));
  createRoot(document.getElementById('page')!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{position: 'relative', margin: 16}}>{placed}</div>
    </ThemeContext.Provider>);
}

show().catch((error) => {
  document.body.append(String(error.stack));
});
